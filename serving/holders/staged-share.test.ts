import { expect, test } from 'vitest';
import type { CustomerKey, Scorer } from '#contracts';
import { stagedFor, stagedScorers } from './staged-share.ts';

const scorer = (version: string): Scorer => ({ loop: '', version, snapshot: 1, effectiveN: 0, score: () => {} });
const customers = Array.from({ length: 20_000 }, (_, i) => `customer-${i}` as CustomerKey);
const servedBy = (shares: Readonly<Record<string, number>>) => {
  const staged = stagedScorers(
    ['a', 'b'].map(scorer),
    Object.entries(shares).map(([version, share]) => ({ version, share })),
  );
  return customers.map((key) => (staged.length === 0 ? null : (stagedFor(staged, key)?.version ?? null)));
};
const share = (served: readonly (string | null)[], version: string) => served.filter((one) => one === version).length / served.length;

test('a challenger serves its share, and those who had it keep it when the share is raised', () => {
  const [tenth, half] = [servedBy({ a: 0.1 }), servedBy({ a: 0.5 })];
  expect(Math.abs(share(tenth, 'a') - 0.1)).toBeLessThan(0.012);
  expect(Math.abs(share(half, 'a') - 0.5)).toBeLessThan(0.012);
  tenth.forEach((version, i) => version === 'a' && expect(half[i]).toBe('a'));
});

test('two challengers have customers of their own, the champion the rest', () => {
  const served = servedBy({ a: 0.2, b: 0.3 });
  expect(Math.abs(share(served, 'a') - 0.2)).toBeLessThan(0.012);
  expect(Math.abs(share(served, 'b') - 0.3)).toBeLessThan(0.012);
});

test('one that is not there to score, or has no share, leaves its customers to the champion', () => {
  expect(new Set(servedBy({ gone: 1 }))).toEqual(new Set([null]));
  expect(new Set(servedBy({ a: 0 }))).toEqual(new Set([null]));
  expect(new Set(servedBy({ a: 1 }))).toEqual(new Set(['a']));
});

test('another challenger is tried on other customers', () => {
  const [a, b] = [servedBy({ a: 0.5 }), servedBy({ b: 0.5 })];
  const both = a.filter((version, i) => version === 'a' && b[i] === 'b').length / customers.length;
  expect(both).toBeCloseTo(0.25, 1);
});
