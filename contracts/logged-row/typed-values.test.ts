import fc from 'fast-check';
import { expect, test } from 'vitest';
import { typedEntriesOf, valuesOfEntries } from './typed-values.ts';

test('values come back with their types and their order, whatever they look like', () => {
  const value = fc.oneof(fc.string(), fc.constantFrom('12', 'true', '-0', '', 'NaN'), fc.double(), fc.boolean());
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value), (values) => {
      const again = valuesOfEntries(typedEntriesOf(values, () => true));
      expect(Object.entries(again)).toEqual(Object.entries(values));
    }),
    { seed: 5 },
  );
});

test('what is personal or nested does not come through, and without types values are guessed', () => {
  const typed = typedEntriesOf({ plan: 'basic', email: 'a@b', nested: { email: 'a@b' }, n: 2 }, (name) => name !== 'email');
  expect(typed).toEqual({
    entries: [
      ['plan', 'basic'],
      ['n', '2'],
    ],
    types: 'sn',
  });
  expect(
    valuesOfEntries({
      entries: [
        ['a', '12.5'],
        ['b', '012'],
        ['c', 'false'],
        ['d', ''],
      ],
      types: '',
    }),
  ).toEqual({
    a: 12.5,
    b: '012',
    c: false,
    d: '',
  });
});
