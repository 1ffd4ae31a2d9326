/** Texts with `{{address}}`, `{{communicationId}}` or `{{content.body}}` in them, filled in from a message. */
import type { OutboundMessage } from '#contracts';

/** The message lacks what a template asks for: that message is not sent. */
export class MissingVariable extends Error {
  constructor(name: string) {
    super(`the template asks for {{${name}}}, which the message does not have`);
    this.name = 'MissingVariable';
  }
}

export type Values = ReadonlyMap<string, string>;

export const valuesOf = (message: OutboundMessage): Values =>
  new Map([
    ['communicationId', message.communicationId],
    ['channel', message.channel],
    ['address', message.address],
    ['language', message.language ?? ''],
    ['expiresAt', new Date(message.expiresAtMs).toISOString()],
    ...Object.entries(message.content).map(([name, text]) => [`content.${name}`, text] as const),
  ]);

/** What is filled in is never read as a template again. Throws MissingVariable. */
export const fill = (template: string, values: Values, escape: (text: string) => string = (text) => text): string =>
  template.replaceAll(/\{\{\s*([\w.-]+)\s*\}\}/g, (_, name: string) => {
    const value = values.get(name);
    if (value === undefined) throw new MissingVariable(name);
    return escape(value);
  });

/** Every text of a JSON value; names of fields stay as they are. */
export const fillJson = (template: unknown, values: Values): unknown => {
  if (typeof template === 'string') return fill(template, values);
  if (Array.isArray(template)) return template.map((each) => fillJson(each, values));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fillJson(value, values)]));
};
