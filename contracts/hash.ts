/** Fast, seeded, stable string hashes: the same value on every machine, for ever, since shards and groups are made of them. */

/** murmur3's finish: every bit of the result depends on every bit of `h`. */
export const avalanche = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** 32 bits: FNV-1a over UTF-16 code units, finished by murmur3's avalanche. */
export const hash32 = (text: string, seed = 0): number => {
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return avalanche(h);
};

/** The same for text that lies in bytes; null when it is not ASCII alone, and must be read first. */
export const hash32OfAscii = (bytes: Buffer, from: number, to: number, seed = 0): number | null => {
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return null;
    h = Math.imul(h ^ byte, 0x01000193);
  }
  return avalanche(h);
};

/** 48 bits as an exact integer: two independent 32-bit hashes, 24 bits of each. */
export const hash48 = (text: string, seed = 0): number => (hash32(text, seed) >>> 8) * 0x1000000 + (hash32(text, seed ^ 0x9e3779b9) >>> 8);

/** A uniform number in [0, 1) that depends on nothing but the text and the seed. */
export const hashUnit = (text: string, seed = 0): number => hash48(text, seed) / 0x1000000000000;
