/** A message as an e-mail: its envelope and its bytes. */
import MailComposer from 'nodemailer/lib/mail-composer';
import addressparser from 'nodemailer/lib/addressparser';
import type { OutboundMessage } from '#contracts';
import type { SmtpSettings } from '#project';

export interface Mail {
  readonly envelope: {
    readonly from: string;
    readonly to: string;
    readonly dsn?: { readonly ret: 'HDRS'; readonly envid: string; readonly notify: ('SUCCESS' | 'FAILURE')[]; readonly orcpt: string };
  };
  readonly bytes: Buffer;
}

/** One mailbox: a list, a name or a line break in a customer's attribute is no address. */
export const isMailbox = (address: string): boolean => /^[^\s<>()[\],;:"\\@]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(address);

/** Content: `subject` (or `title`) and `body`, with `cta` and `url` as a link below. Rejects with a sentence when the message lacks one. */
export const composeMail = async (message: OutboundMessage, settings: SmtpSettings): Promise<Mail> => {
  const { communicationId, address, content, language } = message;
  const subject = content['subject'] ?? content['title'];
  const body = content['body'];
  if (subject === undefined || body === undefined) throw new Error('an e-mail needs subject (or title) and body');
  const from = mailboxOf(settings.from);
  const composed = new MailComposer({
    from: settings.from,
    to: address,
    subject: settings.format === 'html' ? plainOf(subject) : subject,
    ...(settings.replyTo !== null && { replyTo: settings.replyTo }),
    // The same for every attempt: a mailbox that compares them shows the message once.
    messageId: `<${communicationId}@${from.slice(from.indexOf('@') + 1)}>`,
    headers: { 'Auto-Submitted': 'auto-generated', ...(language !== null && { 'Content-Language': language }) },
    text: textOf(content, settings.format),
    ...(settings.format === 'html' && { html: htmlOf(content, language) }),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    envelope: {
      from: returnPathOf(settings.returnPath === null ? null : mailboxOf(settings.returnPath), communicationId) ?? from,
      to: address,
      ...(settings.notifications && {
        dsn: { ret: 'HDRS', envid: communicationId, notify: ['SUCCESS', 'FAILURE'], orcpt: `rfc822;${address}` },
      }),
    },
    bytes: await composed.compile().build(),
  };
};

/** `bounces+<communicationId>@example.org`: a bounce names its message by where it goes. */
const returnPathOf = (address: string | null, communicationId: string): string | null =>
  address === null ? null : address.replace('@', `+${communicationId}@`);

const mailboxOf = (from: string): string => addressparser(from, { flatten: true })[0]?.address ?? from;

type Content = OutboundMessage['content'];

const textOf = ({ body, cta, url }: Content, format: 'html' | 'text'): string => {
  const lines = [body!, ...(cta === undefined ? [] : [url === undefined ? cta : `${cta}: ${url}`])];
  return lines.map((line) => (format === 'html' ? plainOf(line) : line)).join('\n\n');
};

/** The content is escaped already, by the channel's `escape: html`. */
const htmlOf = ({ body, cta, url }: Content, language: string | null): string => {
  const link =
    cta === undefined ? '' : url === undefined ? `<p><strong>${cta}</strong></p>` : `<p><a href="${attribute(url)}">${cta}</a></p>`;
  return `<!doctype html><html${language === null ? '' : ` lang="${attribute(language)}"`}><body><p>${body!}</p>${link}</body></html>`;
};

const attribute = (text: string): string => text.replaceAll('"', '&quot;').replaceAll('<', '&lt;');

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', '#39': "'", apos: "'", nbsp: ' ', amp: '&' };

/** Without tags and entities: for the subject and the plain alternative. */
const plainOf = (html: string): string =>
  html
    .replaceAll(/<br\s*\/?>|<\/p>/gi, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(lt|gt|quot|#39|apos|nbsp|amp);/g, (_, name: string) => ENTITIES[name]!)
    .trim();
