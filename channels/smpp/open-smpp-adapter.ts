/** SMS over SMPP 3.4: submit_sm out, deliver_sm receipts back. */
import smpp from 'smpp';
import type { Pdu, Session } from 'smpp';
import type { ChannelAdapter, OutboundMessage, SendResult } from '#contracts';
import type { SmppSettings } from '#project';
import type { AdapterDeps } from '../deps.ts';
import { createInHand } from '../in-hand.ts';
import { createListeners } from '../listeners.ts';
import { secretOf } from '../secrets.ts';
import { createLink, nameOfStatus } from './link.ts';
import { readReceipt } from './read-receipt.ts';
import { encodeText, headerOf, splitText } from './split-text.ts';

const UDH = 0x40;
const FINAL_RECEIPT = 1;

const { errors } = smpp;
/** The SMSC did not take it, and may later. */
const LATER: ReadonlySet<number | undefined> = new Set([
  errors['ESME_RINVBNDSTS'],
  errors['ESME_RSYSERR'],
  errors['ESME_RMSGQFUL'],
  errors['ESME_RTHROTTLED'],
  errors['ESME_RSUBMITFAIL'],
]);

/** Throws `channels.secret-missing`. */
export const openSmppAdapter = (channel: string, settings: SmppSettings, { env, clock }: AdapterDeps): ChannelAdapter => {
  const { host, port, tls, systemType, enquireLinkMs, timeoutMs } = settings;
  const listeners = createListeners();
  const inHand = createInHand();

  /** The SMSC tells again what was not recorded. */
  const onDeliver = async (pdu: Pdu): Promise<Pdu> => {
    const read = readReceipt(pdu);
    if (read.kind === 'message') return pdu.response({ command_status: errors['ESME_RX_R_APPN'] });
    if (read.kind === 'meanwhile') return pdu.response();
    const { state, reason } = read;
    try {
      await listeners.tell({ channel, communicationId: null, providerId: canonicalId(read.providerId), state, reason, atMs: clock() });
      return pdu.response();
    } catch {
      return pdu.response({ command_status: errors['ESME_RX_T_APPN'] });
    }
  };
  const link = createLink({
    host,
    port,
    tls,
    systemType,
    enquireLinkMs,
    timeoutMs,
    onDeliver,
    systemId: secretOf(env, settings.systemIdEnv),
    password: secretOf(env, settings.passwordEnv),
  });

  const send = async (message: OutboundMessage, signal: AbortSignal): Promise<SendResult> => {
    const requests = requestsOf(message, settings);
    if ('kind' in requests) return requests;
    let session: Session;
    try {
      session = await link.bound();
    } catch (error) {
      return { kind: 'retry', reason: (error as Error).message, afterMs: null };
    }
    let result: SendResult = { kind: 'retry', reason: 'nothing was sent', afterMs: null };
    for (const [index, request] of requests.entries()) {
      result = await submit(session, request, timeoutMs, signal);
      if (result.kind === 'sent') continue;
      // A customer who has the first half is not sent it again as if there had been nothing.
      return index === 0 ? result : { kind: 'unknown', reason: `part ${index + 1} of ${requests.length}: ${result.reason}` };
    }
    return result.kind === 'sent' && result.providerId !== null && settings.messageIds === 'hexadecimal'
      ? { ...result, providerId: decimalOf(result.providerId) }
      : result;
  };

  return {
    channel,
    deduplicates: false,
    confirms: settings.receipts,
    send: (message, signal) => inHand.send(signal, () => send(message, signal)),
    async check() {
      await link.bound();
    },
    onReceipt: (listener) => listeners.add(listener),
    async close() {
      await inHand.close();
      await link.close();
    },
  };
};

type Request = Readonly<Record<string, unknown>>;

/** One submit_sm a part. Content: `body` (or `text`). */
const requestsOf = (message: OutboundMessage, settings: SmppSettings): readonly Request[] | Extract<SendResult, { kind: 'refused' }> => {
  const { address, content, communicationId, expiresAtMs } = message;
  const text = content['body'] ?? content['text'];
  if (text === undefined || text === '') return { kind: 'refused', reason: 'a short message needs body' };
  if (!/^\+?\d{3,15}$/.test(address)) return { kind: 'refused', reason: 'the address is not a telephone number in E.164', bounced: true };
  const encoded = encodeText(text);
  const base = {
    ...senderOf(settings.from),
    dest_addr_ton: 1,
    dest_addr_npi: 1,
    destination_addr: address.replace('+', ''),
    data_coding: encoded.dataCoding,
    validity_period: absoluteTime(expiresAtMs),
  };
  const receipt = settings.receipts ? FINAL_RECEIPT : 0;
  const pieces = splitText(encoded);
  if (pieces.length === 1) return [{ ...base, short_message: pieces[0], registered_delivery: receipt }];
  if (settings.longMessages === 'payload') {
    return [{ ...base, short_message: Buffer.alloc(0), message_payload: encoded.bytes, registered_delivery: receipt }];
  }
  if (pieces.length > 255) return { kind: 'refused', reason: `the text needs ${pieces.length} short messages; 255 are the most` };
  // The same for every attempt: a telephone joins parts by it.
  const reference = parseInt(communicationId.slice(24, 26), 16) || 0;
  return pieces.map((piece, index) => ({
    ...base,
    esm_class: UDH,
    short_message: Buffer.concat([headerOf(reference, pieces.length, index + 1), piece]),
    // The last part's receipt stands for the message.
    registered_delivery: index === pieces.length - 1 ? receipt : 0,
  }));
};

/** International number, short code, or letters. */
const senderOf = (from: string): Request => {
  const digits = from.replace('+', '');
  if (!/^\d+$/.test(digits)) return { source_addr_ton: 5, source_addr_npi: 0, source_addr: from };
  return digits.length > 8
    ? { source_addr_ton: 1, source_addr_npi: 1, source_addr: digits }
    : { source_addr_ton: 3, source_addr_npi: 0, source_addr: digits };
};

/** SMPP 3.4, 7.1.1: YYMMDDhhmmsstnnp in UTC. */
const absoluteTime = (atMs: number): string => `${new Date(atMs).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}000+`;

const submit = (session: Session, request: Request, timeoutMs: number, signal: AbortSignal): Promise<SendResult> =>
  new Promise((resolve) => {
    const end = (result: SendResult): void => {
      clearTimeout(timer);
      session.off('close', closed);
      signal.removeEventListener('abort', abort);
      resolve(result);
    };
    const silent = (reason: string): void => end({ kind: 'unknown', reason });
    const timer = setTimeout(() => silent('the SMSC does not answer'), timeoutMs);
    const closed = (): void => silent('the connection broke before an answer came');
    const abort = (): void => silent('given up before an answer came');
    session.once('close', closed);
    signal.addEventListener('abort', abort, { once: true });
    const isWritten = session.submit_sm(request, (response) => end(resultOf(response)));
    if (!isWritten) end({ kind: 'retry', reason: 'the connection is closed', afterMs: null });
  });

const resultOf = (response: Pdu): SendResult => {
  const status = response.command_status;
  if (status === 0) return { kind: 'sent', providerId: canonicalId(response.message_id ?? '') };
  const reason = nameOfStatus(status);
  if (LATER.has(status)) return { kind: 'retry', reason, afterMs: null };
  return { kind: 'refused', reason, bounced: status === errors['ESME_RINVDSTADR'] };
};

/** Some SMSCs differ in case between answer and receipt. */
const canonicalId = (id: string): string => id.trim().toLowerCase();

const decimalOf = (id: string): string => (/^[0-9a-f]+$/.test(id) ? BigInt(`0x${id}`).toString() : id);
