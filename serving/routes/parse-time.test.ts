/** Times from clients. */
import { expect, test } from 'vitest';
import { parseTime } from './parse-time.ts';

const NOW = Date.parse('2026-11-23T10:00:00Z');

test('an absent time is now, a given one is kept to the millisecond', () => {
  expect(parseTime(undefined, 'time', NOW)).toBe(NOW);
  expect(parseTime('2026-11-23T11:00:00.250+02:00', 'time', NOW)).toBe(NOW - 3_600_000 + 250);
});

test('what cannot be, or lies far ahead, is refused by name', () => {
  for (const text of ['2026-02-30T25:00:00Z', '1969-12-31T23:00:00Z', '2026-11-24T10:00:01Z', '9999-12-31T00:00:00Z']) {
    expect(() => parseTime(text, 'occurredAt', NOW)).toThrow(/^occurredAt: /);
  }
});
