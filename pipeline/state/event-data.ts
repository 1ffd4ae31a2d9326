/** The data of an event: a flat object is read from its bytes in the log, anything else by JSON.parse, to the same result. */
import { readWord } from './words.ts';

export type EventData = Readonly<Record<string, unknown>>;
const NO_DATA: EventData = Object.freeze({});

/** Null when the text is not a JSON object. */
export const parseEventData = (text: string): EventData | null => {
  if (text === '{}') return NO_DATA;
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as EventData) : null;
  } catch {
    return null;
  }
};

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const POWERS = Array.from({ length: 16 }, (_, i) => 10 ** i);

let at = 0;

/** The data from UTF-8 that goes to the end of `bytes`, if it is as JSON.stringify writes it: no space, no escape, ASCII, no nesting, numbers of at most 15 digits. Undefined: something else. */
export const readFlatObject = (bytes: Buffer, from: number): EventData | undefined => {
  const last = bytes.length - 1;
  if (bytes[from] !== OPEN || bytes[last] !== CLOSE) return undefined;
  if (last === from + 1) return NO_DATA;
  const out: Record<string, unknown> = {};
  at = from + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return undefined;
    const name = readText(bytes);
    if (name === undefined || name === '__proto__' || bytes[at++] !== COLON) return undefined;
    const value = readValue(bytes);
    if (value === undefined) return undefined;
    out[name] = value;
    if (at === last) return out;
    if (bytes[at++] !== COMMA) return undefined;
  }
};

const readValue = (bytes: Buffer): string | number | boolean | null | undefined => {
  switch (bytes[at]) {
    case QUOTE:
      return readText(bytes);
    case 0x74:
      return readLiteral(bytes, 'true', true);
    case 0x66:
      return readLiteral(bytes, 'false', false);
    case 0x6e:
      return readLiteral(bytes, 'null', null);
    default:
      return readNumber(bytes);
  }
};

const readLiteral = <T>(bytes: Buffer, text: string, value: T): T | undefined => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return undefined;
  at += text.length;
  return value;
};

const readText = (bytes: Buffer): string | undefined => {
  const from = at + 1;
  let end = from;
  for (; ; end++) {
    const byte = bytes[end];
    if (byte === QUOTE) break;
    if (byte === undefined || byte < 0x20 || byte >= 0x80 || byte === BACKSLASH) return undefined;
  }
  at = end + 1;
  return readWord(bytes, from, end);
};

/** Digits below 2^53 divided by a power of ten below 10^22: both exact, so the quotient is the nearest float64, as JSON.parse has it. */
const readNumber = (bytes: Buffer): number | undefined => {
  const isNegative = bytes[at] === MINUS;
  const from = isNegative ? at + 1 : at;
  let digits = 0;
  let point = -1;
  let end = from;
  for (; ; end++) {
    const byte = bytes[end]!;
    if (byte >= ZERO && byte <= NINE) digits = digits * 10 + byte - ZERO;
    else if (byte === POINT && point < 0) point = end;
    else break;
  }
  const whole = (point < 0 ? end : point) - from;
  const decimals = point < 0 ? 0 : end - point - 1;
  if (whole === 0 || (point >= 0 && decimals === 0) || whole + decimals > 15 || (whole > 1 && bytes[from] === ZERO)) return undefined;
  at = end;
  const value = decimals === 0 ? digits : digits / POWERS[decimals]!;
  return isNegative ? -value : value;
};
