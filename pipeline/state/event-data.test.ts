import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseEventData, readFlatObject } from './event-data.ts';

const read = (text: string) => {
  const bytes = Buffer.concat([Buffer.from('before'), Buffer.from(text)]);
  return readFlatObject(bytes, 6) ?? parseEventData(text);
};

const leaf = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.double(),
  fc.integer(),
  fc.integer({ min: -(10 ** 9), max: 10 ** 9 }).map((cents) => cents / 100),
  fc.boolean(),
  fc.constant(null),
);
const names = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('page', 'amount', '__proto__', 'constructor', '0'));

test('flat data read from bytes is what JSON.parse makes of the text', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(names, leaf), { maxLength: 6 }), (entries) => {
      const text = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
      const data = read(text);
      expect(data).toEqual(JSON.parse(text));
      expect(Object.entries(data!).every(([name, value]) => Object.is(value, (JSON.parse(text) as Record<string, unknown>)[name]))).toBe(
        true,
      );
    }),
    { seed: 11, numRuns: 1_000 },
  );
});

test('any text is taken or refused as JSON.parse does', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '"a"',
    '"b":1',
    '0',
    '-',
    '.',
    '1',
    '12.50',
    'e5',
    'true',
    'null',
    ' ',
    '\\',
    'fals',
    'é',
  );
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
  );
  const wrapped = fc.array(pieces, { maxLength: 5 }).map((parts) => `{"x":${parts.join('')}}`);
  fc.assert(
    fc.property(fc.oneof(texts, wrapped), (text) => {
      expect(read(text)).toEqual(parseEventData(text));
    }),
    { seed: 12, numRuns: 5_000 },
  );
});

test('numbers at the limits of the short way are those of JSON.parse', () => {
  for (const number of [
    '-0',
    '0',
    '01',
    '0.1',
    '-0.0',
    '123456789012345',
    '1234567890123456',
    '0.00000000000001',
    '99.999999999999',
    '1.',
    '.5',
    '1e3',
    '-',
    '--1',
    '1.2.3',
  ])
    expect({ number, data: read(`{"v":${number}}`) }).toEqual({ number, data: parseEventData(`{"v":${number}}`) });
});

test('flat data is read without JSON.parse', () => {
  const data = { page: 'plans', product: null, amount: -12.5, seen: true, count: 7 };
  expect(readFlatObject(Buffer.from(JSON.stringify(data)), 0)).toEqual(data);
});
