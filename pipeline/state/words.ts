/** Short texts that come again and again (event types, fields, enum values): found by their bytes, made into a string once. */
const PLACES = 4_096;
const LONGEST = 32;
const words = new Array<string | undefined>(PLACES).fill(undefined);

/** The UTF-8 text of these bytes; the engine's own copy of it, which makes a quick property name. */
export const readWord = (bytes: Buffer, from: number, to: number): string => {
  const length = to - from;
  if (length > LONGEST || length <= 0) return bytes.toString('utf8', from, to);
  let hash = length;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
  const known = words[place];
  if (known !== undefined && isSame(known, bytes, from, length)) return known;
  const word = bytes.toString('utf8', from, to);
  if (word.length !== length) return word;
  const [name] = Object.keys({ [word]: 0 });
  words[place] = name!;
  return name!;
};

/** Only ASCII is kept, whose code units are its bytes. */
const isSame = (word: string, bytes: Buffer, from: number, length: number): boolean => {
  if (word.length !== length) return false;
  for (let i = 0; i < length; i++) if (word.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
};
