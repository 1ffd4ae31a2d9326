/** Ways in which a body goes wrong: types, unknown fields, sizes, text that is no JSON. */
import fc from 'fast-check';

/** The text that is sent. */
export const mutated = (body: fc.Arbitrary<unknown>): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 8, arbitrary: body.map((value) => JSON.stringify(value)) },
    { weight: 4, arbitrary: fc.tuple(body, odd, fc.nat()).map(([value, other, at]) => JSON.stringify(replaceSomewhere(value, other, at))) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(body, fc.string({ maxLength: 20 }), odd)
        .map(([value, name, other]) => JSON.stringify(withField(value, name, other))),
    },
    { weight: 2, arbitrary: fc.tuple(body, fc.nat()).map(([value, at]) => withoutField(value, at)) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(body, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
        .map(([value, at, noise]) => splice(JSON.stringify(value), at, noise)),
    },
    { weight: 1, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '',
        ' ',
        'null',
        '[]',
        '{}',
        '{',
        '[[[[',
        '{"a":1e999}',
        '"\\ud800"',
        '{"__proto__":{"x":1}}',
        '{"constructor":{"prototype":{"x":1}}}',
        'NaN',
        '\u0000',
      ),
    },
  );

/** Values that are of some type, and extreme. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    -1,
    0,
    1e308,
    -1e308,
    2 ** 53,
    '',
    ' ',
    '\u0000',
    '\ud800',
    '🦊',
    [],
    {},
    [[]],
    { a: { b: {} } },
    '9'.repeat(400),
    'x'.repeat(5_000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const replaceSomewhere = (value: unknown, other: unknown, at: number): unknown => {
  if (typeof value !== 'object' || value === null) return other;
  const keys = Object.keys(value);
  if (keys.length === 0) return other;
  const key = keys[at % keys.length]!;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  const inner = copy[key];
  copy[key] = typeof inner === 'object' && inner !== null && at % 3 > 0 ? replaceSomewhere(inner, other, at >> 2) : other;
  return copy;
};

const withField = (value: unknown, name: string, other: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value, [name]: other } : [value, other];

const withoutField = (value: unknown, at: number): string => {
  if (typeof value !== 'object' || value === null) return 'null';
  const entries = Object.entries(value);
  entries.splice(at % Math.max(1, entries.length), 1);
  return JSON.stringify(Object.fromEntries(entries));
};

const splice = (text: string, at: number, noise: string): string => {
  const place = at % (text.length + 1);
  return text.slice(0, place) + noise + text.slice(place + (at % 2));
};
