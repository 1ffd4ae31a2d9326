/** A delivery status notification (RFC 3464), as a mail server hands on what came to the return path. */
import { ProblemError } from '../errors/problem.ts';
import type { Told } from './told.ts';

/**
 * Mails that are no notifications (an answer of somebody on holiday) tell nothing. Throws a 400 problem when it is no mail at all.
 * @param bytes message/rfc822
 */
export const readStatusNotification = (bytes: Buffer): Told => {
  const mail = partOf(bytes.toString('latin1').replaceAll('\r\n', '\n'));
  if (mail.headers.size === 0) throw new ProblemError(400, 'invalid', 'the body is not a mail: send it whole, as message/rfc822');
  const parts = partsOf(mail).map(partOf);
  const status = parts.find((part) => typeOf(part) === 'message/delivery-status');
  if (status === undefined) return NOTHING;
  const [ofMessage = NO_FIELDS, ...ofRecipients] = status.body
    .trim()
    .split(/\n\n+/)
    .map((group) => fieldsOf(group.split('\n')));
  // One message goes to one recipient.
  const recipient = ofRecipients.find((fields) => stateOf(fields) !== null) ?? ofRecipients[0] ?? NO_FIELDS;
  return {
    communicationId: idOf(mail, ofMessage, parts),
    providerId: null,
    state: stateOf(recipient),
    // Not the diagnostic, which repeats the address.
    reason: STATUS.exec(recipient.get('status') ?? '')?.[0] ?? null,
    atMs: null,
  };
};

type Fields = ReadonlyMap<string, string>;

interface Part {
  readonly headers: Fields;
  readonly body: string;
}

const NO_FIELDS: Fields = new Map();
const NOTHING: Told = { communicationId: null, providerId: null, state: null, reason: null, atMs: null };
/** RFC 3463 */
const STATUS = /^[245]\.\d{1,3}\.\d{1,3}/;
const ID = '([0-9a-f]{32})';

/** `relayed` and `expanded`: further on nobody will tell; `delayed`: not yet. */
const stateOf = (recipient: Fields): Told['state'] => {
  switch (
    recipient
      .get('action')
      ?.toLowerCase()
      .split(/[\s(;]/)[0]
  ) {
    case 'delivered':
      return 'delivered';
    case 'failed':
      // x.4.7: the time for it ran out (RFC 3463, 3.5).
      return /^[45]\.4\.7/.test(recipient.get('status') ?? '') ? 'expired' : 'bounced';
    default:
      return null;
  }
};

/** The envelope's id, else the address that it was sent back to, else the id of the mail that comes back with it. */
const idOf = (mail: Part, ofMessage: Fields, parts: readonly Part[]): string | null => {
  const envelope = new RegExp(`^${ID}$`).exec(ofMessage.get('original-envelope-id') ?? '');
  const returned = parts.find((part) => /^(message\/rfc822|text\/rfc822-headers)$/.test(typeOf(part)));
  const original = returned === undefined ? undefined : partOf(returned.body).headers.get('message-id');
  const address = ['delivered-to', 'x-original-to', 'to'].map((name) => new RegExp(`\\+${ID}@`).exec(mail.headers.get(name) ?? ''));
  const found = [envelope, ...address, new RegExp(`<${ID}@`).exec(original ?? '')].find((match) => match !== null);
  return found?.[1] ?? null;
};

const typeOf = ({ headers }: Part): string => (headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();

const partOf = (text: string): Part => {
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n');
  return end < 0
    ? { headers: fieldsOf(text.split('\n')), body: '' }
    : { headers: fieldsOf(text.slice(0, end).split('\n')), body: text.slice(end).replace(/^\n+/, '') };
};

const partsOf = ({ headers, body }: Part): readonly string[] => {
  const boundary = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))/i.exec(headers.get('content-type') ?? '');
  if (boundary === null) return [];
  const pieces = `\n${body}`.split(`\n--${boundary[1] ?? boundary[2]}`);
  const last = pieces.findIndex((piece, index) => index > 0 && piece.startsWith('--'));
  // What stands behind the boundary on its own line is padding.
  return pieces.slice(1, last < 0 ? undefined : last).map((piece) => piece.slice(piece.indexOf('\n') + 1));
};

/** Names in lower case; the first of a name counts; lines that go on are joined. */
const fieldsOf = (lines: readonly string[]): Fields => {
  const fields = new Map<string, string>();
  let name: string | null = null;
  for (const line of lines) {
    if (/^[ \t]/.test(line)) {
      if (name !== null) fields.set(name, `${fields.get(name)!} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    const given = line.slice(0, Math.max(0, colon)).toLowerCase();
    name = /^[a-z0-9-]{1,100}$/.test(given) && !fields.has(given) ? given : null;
    if (name !== null) fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
};
