/** A document's bytes in the store: a head that says what the indexes need, then the body. */
import type { DocumentWrite, StoredDocument } from './documents.ts';

/** Version uint32, time uint48, due uint48, whether there is a customer, customer key 16 bytes, length of the state's name. */
const FIXED_BYTES = 4 + 6 + 6 + 1 + 16 + 1;
const LONGEST_STATE = 64;
/** No head is longer. */
export const MAX_HEAD_BYTES = FIXED_BYTES + LONGEST_STATE;

/** Times are below it; as a due time: never. */
export const END_OF_TIME_MS = 2 ** 48 - 1;

export const encodeDocument = (document: DocumentWrite, version: number): Buffer => {
  const { customerKey, state, atMs, dueMs, body } = document;
  const head = Buffer.alloc(FIXED_BYTES + state.length);
  head.writeUInt32BE(version, 0);
  head.writeUIntBE(atMs, 4, 6);
  head.writeUIntBE(dueMs ?? END_OF_TIME_MS, 10, 6);
  if (customerKey !== null) {
    head[16] = 1;
    head.set(customerKey, 17);
  }
  head[33] = state.length;
  head.write(state, FIXED_BYTES, 'latin1');
  return Buffer.concat([head, body]);
};

/** The bytes are the document's from now on. */
export const decodeDocument = (id: string, bytes: Buffer): StoredDocument => {
  const head = headOf(bytes);
  const dueMs = head.readUIntBE(10, 6);
  return {
    id,
    version: head.readUInt32BE(0),
    atMs: head.readUIntBE(4, 6),
    dueMs: dueMs === END_OF_TIME_MS ? null : dueMs,
    customerKey: head[16] === 1 ? Buffer.from(head.subarray(17, 33)) : null,
    state: head.toString('latin1', FIXED_BYTES),
    body: bytes.subarray(head.length),
  };
};

/** Two documents under one id with equal heads have the same version and stand in the same places of the indexes. */
export const headOf = (bytes: Buffer): Buffer => bytes.subarray(0, FIXED_BYTES + bytes[33]!);
