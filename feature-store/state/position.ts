/** The position vector: epoch and one offset per input topic, the first bytes of every state, and what a commit compares. */
import { AttuneError, STATE_INPUTS } from '#contracts';

/** The first bytes of a stored state: `expected` of the commit that replaces it. Null when there is no state. */
export const positionPrefixOf = (bytes: Buffer | null): Buffer | null =>
  bytes === null ? null : bytes.subarray(0, lengthOfPosition(bytes));

export const lengthOfPosition = (bytes: Buffer): number => {
  const length = 5 + 6 * (bytes[4] ?? 0);
  if (bytes.length <= length)
    throw new AttuneError('state.corrupt', `a stored state of ${bytes.length} bytes is shorter than its position vector`);
  return length;
};

/**
 * The last applied offset of each of STATE_INPUTS, -1 when none was. A state written before a topic was added has fewer entries:
 * the missing ones are -1.
 */
export const positionsOf = (bytes: Buffer): { readonly epoch: number; readonly positions: number[] } => {
  const count = (lengthOfPosition(bytes) - 5) / 6;
  const positions: number[] = [];
  for (let i = 0; i < count; i++) positions.push(bytes.readUIntBE(5 + 6 * i, 6) - 1);
  while (positions.length < STATE_INPUTS.length) positions.push(-1);
  return { epoch: bytes.readUInt32BE(0), positions };
};
