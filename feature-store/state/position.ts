/** The position vector: epoch and one offset per input topic, the first bytes of every state, and what a commit compares. */
import { AttuneError, STATE_INPUTS } from '#contracts';

/** The first bytes of a stored state: `expected` of the commit that replaces it. Null when there is no state. */
export const positionPrefixOf = (bytes: Buffer | null): Buffer | null => {
  if (bytes === null) return null;
  const length = 5 + 6 * (bytes[4] ?? 0);
  if (bytes.length < length) throw new AttuneError('state.corrupt', `a stored state of ${bytes.length} bytes is shorter than its position vector`);
  return bytes.subarray(0, length);
};

/**
 * The last applied offset of each of STATE_INPUTS, -1 when none was. A state written before a topic was added has fewer entries:
 * the missing ones are -1.
 */
export const positionsOf = (bytes: Buffer): { readonly epoch: number; readonly positions: number[] } => {
  const count = (positionPrefixOf(bytes)!.length - 5) / 6;
  const positions = new Array<number>(Math.max(count, STATE_INPUTS.length)).fill(-1);
  for (let i = 0; i < count; i++) positions[i] = bytes.readUIntBE(5 + 6 * i, 6) - 1;
  return { epoch: bytes.readUInt32BE(0), positions };
};
