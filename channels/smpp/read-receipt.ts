/** A delivery receipt in a deliver_sm: by its optional parameters (SMPP 3.4, 5.3.2), else by its text (appendix B). */
import type { Pdu } from 'smpp';
import type { DeliveryReceipt } from '#contracts';

const RECEIPT = 0x04;
const MESSAGE_TYPE = 0x3c;

type State = DeliveryReceipt['state'];

const OF_CODE: Readonly<Record<number, State>> = { 2: 'delivered', 3: 'expired', 4: 'failed', 5: 'failed', 8: 'failed' };
const OF_WORD: Readonly<Record<string, State>> = {
  DELIVRD: 'delivered',
  EXPIRED: 'expired',
  DELETED: 'failed',
  UNDELIV: 'failed',
  REJECTD: 'failed',
};

export type ReadReceipt =
  | { readonly kind: 'receipt'; readonly providerId: string; readonly state: State; readonly reason: string | null }
  /** On its way, or in a state that says nothing final. */
  | { readonly kind: 'meanwhile' }
  /** A message from a customer. */
  | { readonly kind: 'message' };

export const readReceipt = (pdu: Pdu): ReadReceipt => {
  if ((Number(pdu['esm_class']) & MESSAGE_TYPE) !== RECEIPT) return { kind: 'message' };
  const text = textOf(pdu['short_message']) || textOf(pdu['message_payload']);
  const providerId = pdu.receipted_message_id ?? /\bid:(\S+)/i.exec(text)?.[1];
  const word = /\bstat:(\w+)/i.exec(text)?.[1]?.toUpperCase();
  const state = pdu['message_state'] === undefined ? OF_WORD[word ?? ''] : OF_CODE[Number(pdu['message_state'])];
  if (providerId === undefined || state === undefined) return { kind: 'meanwhile' };
  const error = /\berr:(\w+)/i.exec(text)?.[1];
  return { kind: 'receipt', providerId, state, reason: state === 'delivered' ? null : [word, error].filter(Boolean).join(' ') || null };
};

const textOf = (message: unknown): string => {
  if (typeof message === 'string') return message;
  if (Buffer.isBuffer(message)) return message.toString('latin1');
  const inner = (message as { readonly message?: unknown } | undefined)?.message;
  return inner === undefined ? '' : textOf(inner);
};
