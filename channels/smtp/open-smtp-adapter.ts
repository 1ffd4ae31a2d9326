/** E-mail over SMTP (RFC 5321). */
import { Readable } from 'node:stream';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { ChannelAdapter, SendResult } from '#contracts';
import type { ChannelDefinition, SmtpSettings } from '#project';
import type { AdapterDeps } from '../deps.ts';
import { createInHand } from '../in-hand.ts';
import { secretOf } from '../secrets.ts';
import { composeMail, isMailbox } from './compose-mail.ts';
import type { Mail } from './compose-mail.ts';
import { createConnections } from './connections.ts';
import type { Connections } from './connections.ts';

/** Throws `channels.secret-missing`. */
export const openSmtpAdapter = (definition: ChannelDefinition, settings: SmtpSettings, { env }: AdapterDeps): ChannelAdapter => {
  const { host, port, security, timeoutMs, userEnv, passwordEnv } = settings;
  const login = userEnv === null ? null : { user: secretOf(env, userEnv), pass: secretOf(env, passwordEnv!) };
  const connections = createConnections({ host, port, security, login, timeoutMs }, definition.connections);
  const inHand = createInHand();
  return {
    channel: definition.name,
    deduplicates: false,
    confirms: settings.notifications,
    send: (message, signal) =>
      inHand.send(signal, async () => {
        if (!isMailbox(message.address)) return { kind: 'refused', reason: 'the address is not one e-mail address', bounced: true };
        let mail: Mail;
        try {
          mail = await composeMail(message, settings);
        } catch (error) {
          return { kind: 'refused', reason: (error as Error).message.replaceAll(MAILBOX, '<…>') };
        }
        return sendMail(connections, mail, signal);
      }),
    async check(signal) {
      const { connection } = await connections.lease(signal);
      connections.giveBack(connection, true);
    },
    onReceipt: () => {},
    async close() {
      await inHand.close();
      connections.close();
    },
  };
};

/** A connection that the server closed while it was idle fails before the message is under way: another one is tried. */
const sendMail = async (connections: Connections, mail: Mail, signal: AbortSignal): Promise<SendResult> => {
  for (;;) {
    let leased;
    try {
      leased = await connections.lease(signal);
    } catch (error) {
      return { kind: 'retry', reason: textOf(error as SMTPConnection.SMTPError), afterMs: null };
    }
    const { connection, isReused } = leased;
    const { result, isSound, isStale } = await transmit(connection, mail, signal);
    connections.giveBack(connection, isSound);
    if (!isReused || !isStale || signal.aborted) return result;
  }
};

interface Transmitted {
  readonly result: SendResult;
  /** The connection may carry another message. */
  readonly isSound: boolean;
  /** It ended without a word before the message was under way. */
  readonly isStale: boolean;
}

const transmit = (connection: SMTPConnection, { envelope, bytes }: Mail, signal: AbortSignal): Promise<Transmitted> =>
  new Promise((resolve) => {
    let isUnderWay = false;
    const body = new Readable({
      // Asked for after the server has said 354: from here on it may have the message.
      read() {
        isUnderWay = true;
        this.push(bytes);
        this.push(null);
      },
    });
    const end = (error: SMTPConnection.SMTPError): void => {
      const result = resultOfError(error, isUnderWay);
      resolve({ result, isSound: false, isStale: !isUnderWay && error.responseCode === undefined });
    };
    const abort = (): void => end(new Error('given up before an answer came'));
    const closed = (): void => end(new Error('the server closed the connection'));
    signal.addEventListener('abort', abort, { once: true });
    connection.once('end', closed);
    connection.send({ ...envelope, size: bytes.length }, body, (error, info) => {
      signal.removeEventListener('abort', abort);
      connection.off('end', closed);
      if (error) end(error);
      else resolve({ result: { kind: 'sent', providerId: queueIdOf(info.response) }, isSound: true, isStale: false });
    });
  });

/** Postfix, Exim and others: `250 2.0.0 Ok: queued as 4XYZ`. */
const queueIdOf = (response: string): string | null =>
  /\bqueued as ([\w.-]+)|\bid=([\w-]+)/i
    .exec(response)
    ?.slice(1)
    .find((id) => id !== undefined) ?? null;

const resultOfError = (error: SMTPConnection.SMTPError, isUnderWay: boolean): SendResult => {
  const reason = textOf(error);
  const { responseCode: code, command } = error;
  if (code === undefined) return isUnderWay ? { kind: 'unknown', reason } : { kind: 'retry', reason, afterMs: null };
  // 5xx to who we are (EHLO, AUTH, MAIL FROM) is ours to mend; to the recipient or the content it is the message's end.
  const isOfMessage = command === 'RCPT TO' || command === 'DATA';
  if (code >= 500 && isOfMessage) return { kind: 'refused', reason, bounced: true };
  return { kind: 'retry', reason, afterMs: null };
};

/** Servers like to repeat whom they refuse; reasons go into the log and the warehouse. */
const textOf = ({ response, message }: SMTPConnection.SMTPError): string => (response ?? message).replaceAll(MAILBOX, '<…>');
const MAILBOX = /<?[^\s<>"',;:()]+@[^\s<>"',;:()]+>?/g;
