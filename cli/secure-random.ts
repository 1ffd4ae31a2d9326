/** Randomness that cannot be guessed from what it gave before. */
import { randomFillSync } from 'node:crypto';

/** Uniform in [0, 1), 48 bits, not to be guessed from earlier draws; drawn from the system in blocks. */
export const createSecureRandom = (): (() => number) => {
  const block = Buffer.alloc(6 * 1_024);
  let at = block.length;
  return () => {
    if (at === block.length) {
      randomFillSync(block);
      at = 0;
    }
    const value = block.readUIntBE(at, 6) / 0x1_0000_0000_0000;
    at += 6;
    return value;
  };
};
