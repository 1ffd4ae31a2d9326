/** CEL's operators over plain JavaScript values; undefined stands for CEL's error. */

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const equal = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
};

const comparable = (a: unknown, b: unknown): boolean => {
  const type = typeof a;
  return type === typeof b && (type === 'number' || type === 'string' || type === 'boolean');
};

/** CEL counts code points. */
const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

export const operators = {
  get: (value: unknown, name: string): unknown => (isMap(value) && Object.hasOwn(value, name) ? value[name] : undefined),
  /** CEL's has() on a scalar is an error; on null the library says false. */
  has: (value: unknown, name: string): boolean | undefined => {
    if (value === undefined) return undefined;
    return isMap(value) && Object.hasOwn(value, name) && value[name] !== undefined;
  },
  eq: (a: unknown, b: unknown): boolean | undefined => (a === undefined || b === undefined ? undefined : equal(a, b)),
  lt: (a: unknown, b: unknown): boolean | undefined => (comparable(a, b) ? (a as number) < (b as number) : undefined),
  le: (a: unknown, b: unknown): boolean | undefined => (comparable(a, b) ? (a as number) <= (b as number) : undefined),
  within: (a: unknown, b: unknown): boolean | undefined => {
    if (a === undefined) return undefined;
    if (Array.isArray(b)) return b.some((item) => equal(a, item));
    if (isMap(b)) return typeof a === 'string' && Object.hasOwn(b, a);
    return undefined;
  },
  add: (a: unknown, b: unknown): unknown => {
    if (typeof a === 'number' && typeof b === 'number') return a + b;
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    return undefined;
  },
  subtract: (a: unknown, b: unknown): unknown => (typeof a === 'number' && typeof b === 'number' ? a - b : undefined),
  multiply: (a: unknown, b: unknown): unknown => (typeof a === 'number' && typeof b === 'number' ? a * b : undefined),
  divide: (a: unknown, b: unknown): unknown => (typeof a === 'number' && typeof b === 'number' ? a / b : undefined),
  negate: (a: unknown): unknown => (typeof a === 'number' ? -a : undefined),
  size: (value: unknown): number | undefined => {
    if (typeof value === 'string') return codePoints(value);
    if (Array.isArray(value)) return value.length;
    return isMap(value) ? Object.keys(value).length : undefined;
  },
  startsWith: (a: unknown, b: unknown): boolean | undefined =>
    typeof a === 'string' && typeof b === 'string' ? a.startsWith(b) : undefined,
  endsWith: (a: unknown, b: unknown): boolean | undefined => (typeof a === 'string' && typeof b === 'string' ? a.endsWith(b) : undefined),
  contains: (a: unknown, b: unknown): boolean | undefined => (typeof a === 'string' && typeof b === 'string' ? a.includes(b) : undefined),
};
