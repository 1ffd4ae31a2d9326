import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gammaOf, sampleSizeOf, greedy, inverseGapWeighting, sampleIndex, scalePriorities, uniform } from './index.ts';

const priorities = fc.array(fc.oneof(fc.double({ noNaN: false }), fc.double({ min: 0, max: 1, noNaN: true })), {
  minLength: 1,
  maxLength: 40,
});
const gamma = fc.double({ min: 0, max: 1e9, noNaN: true });

test('inverse-gap weighting sums to 1, keeps its floor and is never NaN, whatever the priorities', () => {
  fc.assert(
    fc.property(priorities, gamma, (values, g) => {
      const n = values.length;
      const scores = scalePriorities(values, n, new Float64Array(n));
      const p = inverseGapWeighting(scores, new Float64Array(n).fill(g), n, new Float64Array(n));
      expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      for (const x of p) expect(x).toBeGreaterThanOrEqual((1 - 1e-9) / (n + g));
    }),
    { seed: 11 },
  );
});

test('equal priorities have equal probabilities', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 20 }), gamma, (values, g) => {
      const n = values.length;
      const p = inverseGapWeighting(scalePriorities(values, n, new Float64Array(n)), new Float64Array(n).fill(g), n, new Float64Array(n));
      for (let i = 1; i < n; i++) if (values[i] === values[0]) expect(p[i]).toBe(p[0]);
    }),
    { seed: 12 },
  );
});

test('a young action is drawn more often than a settled one of the same priority', () => {
  const p = inverseGapWeighting([1, 0.5, 0.5], [gammaOf(5000), gammaOf(0), gammaOf(5000)], 3, new Float64Array(3));
  expect(p[1]).toBeGreaterThan(20 * p[2]!);
});

test('γ never falls as evidence grows', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      (a, b) => gammaOf(Math.min(a, b)) <= gammaOf(Math.max(a, b)),
    ),
    { seed: 13 },
  );
  expect(gammaOf(Number.NaN)).toBe(gammaOf(0));
});

test('what is logged is how often it is drawn', () => {
  const p = inverseGapWeighting([1, 0.9, 0.2, 0], [20, 20, 5, 50], 4, new Float64Array(4));
  const drawn = [0, 0, 0, 0];
  for (let i = 0; i < 100_000; i++) drawn[sampleIndex(p, 4, (i + 0.5) / 100_000)]!++;
  for (let i = 0; i < 4; i++) expect(drawn[i]! / 100_000).toBeCloseTo(p[i]!, 4);
});

test('an action of probability 0 is never drawn, and no probability draws nothing', () => {
  expect(sampleIndex([0, 1, 0], 3, 0)).toBe(1);
  expect(sampleIndex([0.3, 0.7 - 1e-12, 0], 3, 0.9999999999999999)).toBe(1);
  expect(sampleIndex([0, 0], 2, 0.5)).toBe(-1);
});

test('greedy and uniform obey the same laws', () => {
  expect([...greedy([1, 3, 3], 3, new Float64Array(3))]).toEqual([0, 0.5, 0.5]);
  expect([...uniform(4, new Float64Array(4))]).toEqual([0.25, 0.25, 0.25, 0.25]);
});

test('the sample size is read back from γ, up to the limit', () => {
  for (const n of [0, 0.5, 3, 20, 100]) expect(sampleSizeOf(gammaOf(n))).toBeCloseTo(n, 6);
  expect(sampleSizeOf(gammaOf(1e6))).toBeGreaterThan(100);
  expect(sampleSizeOf(0)).toBe(0);
});
