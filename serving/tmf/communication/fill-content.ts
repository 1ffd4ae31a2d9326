/** The texts of a posted message with its parameters filled in: `$Parameter1` by the characteristic of that name, as TM Forum's example has it. */
import { isObject } from '../merge-patch.ts';
import type { TmfBody } from '../resource.ts';

/** @param escape `html` where the channel shows texts as HTML: then a value cannot become markup; a value is never looked into again */
export const fillContent = (message: TmfBody, escape: 'html' | 'text'): Readonly<Record<string, string>> => {
  const values = valuesOf(message['characteristic']);
  const fill = (text: string, escaped: boolean): string => {
    if (values.size === 0) return text;
    const names = [...values.keys()].toSorted((a, b) => b.length - a.length).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return text.replace(new RegExp(names.join('|'), 'g'), (name) => (escaped ? escapeHtml(values.get(name)!) : oneLine(values.get(name)!)));
  };
  const subject = message['subject'];
  return {
    ...(typeof subject === 'string' ? { subject: oneLine(fill(subject, false)) } : {}),
    body: fill(String(message['content']), escape === 'html'),
  };
};

const valuesOf = (characteristics: unknown): ReadonlyMap<string, string> => {
  const values = new Map<string, string>();
  for (const one of Array.isArray(characteristics) ? (characteristics as unknown[]) : []) {
    if (!isObject(one)) continue;
    const { name, value } = one;
    if (typeof name === 'string' && /^\$\w/.test(name) && ['string', 'number', 'boolean'].includes(typeof value))
      values.set(name, String(value));
  }
  return values;
};

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f\u2028\u2029]+/g;

/** A value must not be able to start a new header or paragraph. */
const oneLine = (text: string): string => text.replace(CONTROLS, ' ');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => oneLine(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
