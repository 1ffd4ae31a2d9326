/** Small records beside a state: their first byte says which kind a stored value is, so that a scan can tell them apart. */
import { customerKeyFromBytes, customerKeyToBytes, type CustomerKey } from '#contracts';

export const LINK = 0x81;
const WAITING = 0x82;

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
