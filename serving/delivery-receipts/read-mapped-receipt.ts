/** A receipt in a gateway's own form: `settings.receipt` says where its fields stand and what its words mean. */
import { textAt } from '#contracts';
import type { ReceiptSettings } from '#project';
import { fieldFault } from '../errors/problem.ts';
import { parseJson } from './parse-json.ts';
import { parseMoment } from './parse-moment.ts';
import type { Told } from './told.ts';

export interface Sent {
  readonly contentType: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Throws a 400 problem with the field at fault. */
export const readMappedReceipt = (sent: Sent, settings: ReceiptSettings): Told => {
  const fields = fieldsOf(sent);
  const text = (path: string | null): string | null => (path === null ? null : (textOf(fields, path) ?? textOf(sent.query, path)));
  const word = text(settings.state);
  if (word === null) throw fieldFault(settings.state ?? '', 'is the state of the message, and is missing');
  const at = text(settings.at);
  return {
    communicationId: text(settings.communicationId),
    providerId: text(settings.providerId),
    state: settings.states.get(word.toLowerCase()) ?? null,
    reason: text(settings.reason),
    atMs: at === null ? null : parseMoment(at),
  };
};

const fieldsOf = ({ contentType, body }: Sent): unknown => {
  if (body.length === 0) return {};
  if (contentType.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
  return parseJson(body);
};

/** A form's field may have dots in its name. */
const textOf = (fields: unknown, path: string): string | null => {
  const isField = typeof fields === 'object' && fields !== null && Object.hasOwn(fields, path);
  if (!isField) return textAt(fields, path);
  const value = (fields as Readonly<Record<string, unknown>>)[path];
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
};
