/** The position vector: epoch and one offset per input topic, the first bytes of every state, and what a commit compares. */
import { AttuneError, STATE_INPUTS } from '#contracts';
import { ByteReader, type ByteWriter } from './bytes.ts';

/** The first bytes of a stored state: `expected` of the commit that replaces it. Null when there is no state. */
export const positionPrefixOf = (bytes: Buffer | null): Buffer | null =>
  bytes === null ? null : bytes.subarray(0, lengthOfPosition(bytes));

/**
 * Epoch (4 bytes, big-endian), count of offsets, offsets plus 1. With the count's upper bit the offsets are varints, as all states are written
 * today; without it, 48 bits each, as the first ones were. Either way no vector's bytes begin another's: equal prefixes are equal vectors.
 */
const VARINTS = 0x80;

export const writePosition = (writer: ByteWriter, epoch: number, positions: readonly number[]): void => {
  writer.u32(epoch);
  writer.u8(positions.length | VARINTS);
  for (const offset of positions) writer.varint(offset + 1);
};

/** Of bytes that `writePosition` began, or an earlier version. */
export const hasVarints = (bytes: Buffer): boolean => (bytes[4]! & VARINTS) !== 0;

export const lengthOfPosition = (bytes: Buffer): number => {
  const count = bytes[4] ?? 0;
  let length = 5;
  if ((count & VARINTS) === 0) length += 6 * count;
  else for (let left = count & ~VARINTS; left > 0 && length < bytes.length; length++) if ((bytes[length]! & 0x80) === 0) left--;
  if (bytes.length <= length)
    throw new AttuneError('state.corrupt', `a stored state of ${bytes.length} bytes is shorter than its position vector`);
  return length;
};

/**
 * The last applied offset of each of STATE_INPUTS, -1 when none was. A state written before a topic was added has fewer entries:
 * the missing ones are -1.
 */
export const positionsOf = (bytes: Buffer): { readonly epoch: number; readonly positions: number[] } => {
  const reader = new ByteReader(bytes, 5, lengthOfPosition(bytes));
  const positions: number[] = [];
  while (reader.at < reader.end) positions.push((hasVarints(bytes) ? reader.varint() : reader.u48()) - 1);
  while (positions.length < STATE_INPUTS.length) positions.push(-1);
  return { epoch: bytes.readUInt32BE(0), positions };
};
