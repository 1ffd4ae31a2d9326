/** Small records beside a state: their first byte says which kind a stored value is, so that a scan can tell them apart. */
import { createHash } from 'node:crypto';
import { customerKeyFromBytes, customerKeyToBytes, type CustomerKey } from '#contracts';

export const LINK = 0x81;
const WAITING = 0x82;
const ERASED = 0x83;

/** A state begins with its log's epoch (below 2^31, big-endian), hence with a byte below 0x80. */
export const recordKindOf = (value: Uint8Array): 'state' | 'link' | 'waiting' | 'unknown' => {
  const first = value[0] ?? 0xff;
  return first < 0x80 ? 'state' : first === LINK ? 'link' : first === WAITING ? 'waiting' : 'unknown';
};

/** What stands under a decision id and leads to its customer: 17 bytes. */
export const encodeLink = (customerKey: CustomerKey): Buffer => Buffer.concat([Buffer.of(LINK), customerKeyToBytes(customerKey)]);

/** Null when the value is not a link. */
export const decodeLink = (value: Uint8Array): CustomerKey | null =>
  value[0] === LINK && value.length === 17 ? customerKeyFromBytes(value.subarray(1)) : null;

/** Outcomes that came before their decision, under the decision's id; the content is the pipeline's. */
export const encodeWaiting = (content: Uint8Array): Buffer => Buffer.concat([Buffer.of(WAITING), content]);

/** Null when the value is not a record of waiting outcomes. */
export const decodeWaiting = (value: Uint8Array): Buffer | null => (value[0] === WAITING ? Buffer.from(value.subarray(1)) : null);

/** Where the mark of a customer's last erasure stands: beside the state that it ended, and under a key that does not tell whose it is. */
export const erasureMarkKey = (customerKey: CustomerKey): Buffer =>
  createHash('sha256').update('erased').update(customerKeyToBytes(customerKey)).digest().subarray(0, 16);

/** An erasure, by its place in the log: 11 bytes. What the customer does after it makes a new state, which reading it again must not end. */
export const encodeErasureMark = ({ epoch, offset }: { readonly epoch: number; readonly offset: number }): Buffer => {
  const mark = Buffer.alloc(11, ERASED);
  mark.writeUInt32BE(epoch, 1);
  mark.writeUIntBE(offset, 5, 6);
  return mark;
};

/** True when the marked erasure is this one or a later one of the same log. */
export const isMarkedErased = (mark: Buffer | null, { epoch, offset }: { readonly epoch: number; readonly offset: number }): boolean =>
  mark !== null && mark[0] === ERASED && mark.length === 11 && mark.readUInt32BE(1) === epoch && mark.readUIntBE(5, 6) >= offset;
