/** Customer keys as text, made once for the many records of one customer: 16 bytes in a log record to 32 hex digits. */
import type { CustomerKey } from '#contracts';

const PLACES = 8_192;
const words = new Int32Array(PLACES * 4);
const names = new Array<CustomerKey | undefined>(PLACES).fill(undefined);

/** Keys are digests, so their first bits spread them over the places; a key that is met again later takes its place back. */
export const nameOfKey = (bytes: Buffer, at: number): CustomerKey => {
  const a = bytes.readInt32LE(at);
  const b = bytes.readInt32LE(at + 4);
  const c = bytes.readInt32LE(at + 8);
  const d = bytes.readInt32LE(at + 12);
  const place = a & (PLACES - 1);
  const from = place * 4;
  const known = names[place];
  if (known !== undefined && words[from] === a && words[from + 1] === b && words[from + 2] === c && words[from + 3] === d) return known;
  const name = bytes.toString('hex', at, at + 16) as CustomerKey;
  names[place] = name;
  words[from] = a;
  words[from + 1] = b;
  words[from + 2] = c;
  words[from + 3] = d;
  return name;
};
