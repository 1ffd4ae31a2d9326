/** One list of laws, run over every policy. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createUniformState, distribute, errorFromCounts, nextUniform, resolvePolicy, sampleIndex, seedUniform } from './index.ts';
import type { Arms, ExplorationSpec } from './index.ts';
import { DEFAULT_GAMMA_SCHEDULE } from './gamma-schedule.ts';

const gammas = DEFAULT_GAMMA_SCHEDULE;
const draws = { draws: 1_000, correlation: 0 };
const specs: readonly (readonly [string, ExplorationSpec])[] = [
  ['inverse-gap weighting', { policy: 'inverseGap', floor: 0, gammas }],
  ['inverse-gap weighting with a floor', { policy: 'inverseGap', floor: 0.01, gammas }],
  ['Thompson sampling by quadrature', { policy: 'thompson', floor: 1e-4, gammas, draws: 0, correlation: 0 }],
  ['neural-linear', { policy: 'neuralLinear', floor: 0.002, gammas, draws: 0, correlation: 0 }],
  ['Thompson sampling by draws', { policy: 'thompson', floor: 1e-3, gammas, ...draws, correlation: 0.5 }],
  ['softmax', { policy: 'softmax', floor: 1e-4, gammas, temperature: 0.1 }],
  ['ε-greedy', { policy: 'epsilonGreedy', floor: 0, gammas, epsilon: 0.2, decay: 1_000, least: 0.01 }],
  ['greedy', { policy: 'greedy', floor: 0, gammas }],
  ['uniform', { policy: 'uniform', floor: 0, gammas }],
];
const odd = fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e308, -1e308, 1.7e308, 5e-324, -5e-324, 1e-310, 1e300);
const number = fc.oneof(
  odd,
  fc.double({ noNaN: false }),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 1, noNaN: true }),
);
const ordinary = fc.double({ min: 1e-3, max: 1, noNaN: true });
const armsOf = (arm: fc.Arbitrary<number>, maxLength: number): fc.Arbitrary<Arms> =>
  fc.array(fc.tuple(arm, arm, arm), { minLength: 1, maxLength }).map((rows) => ({
    count: rows.length,
    priorities: rows.map(([priority]) => priority),
    gammas: rows.map(([, gamma]) => Math.abs(gamma) * 1_000),
    standardErrors: rows.map(([, , error]) => error),
  }));
const many = (count: number, of: (i: number) => number): Arms => ({
  count,
  priorities: Array.from({ length: count }, (_, i) => of(i)),
  gammas: Array.from({ length: count }, (_, i) => 100 * (i % 7)),
  standardErrors: Array.from({ length: count }, (_, i) => (i % 5) * Math.abs(of(i + 1))),
});

describe.each(specs)('%s', (_, spec) => {
  const policy = resolvePolicy(spec, 250);
  const of = (arms: Arms, seed = 5): Float64Array => distribute(policy, arms, seed, new Float64Array(arms.count));
  const isDrawn = policy.name === 'thompsonDraws';
  const numRuns = isDrawn ? 40 : 400;
  const lawful = (arms: Arms): void => {
    const p = of(arms);
    const sum = p.reduce((a, b) => a + b, 0);
    expect(Math.min(...p)).toBeGreaterThanOrEqual(Math.min(spec.floor, 1 / arms.count) * (1 - 1e-12));
    expect(Math.max(...p)).toBeLessThanOrEqual(1 + 1e-12);
    expect(Math.abs(sum - 1)).toBeLessThan(1e-9);
  };

  test('sums to 1 and never falls under its floor, whatever it is given', () => {
    fc.assert(fc.property(armsOf(number, 40), lawful), { seed: 41, numRuns });
    for (const value of [0, 1, -1, NaN, Infinity, -Infinity, 1e308, 5e-324]) {
      lawful(many(1, () => value));
      lawful(many(9, () => value));
      lawful(many(9, (i) => (i % 2 === 0 ? value : 1)));
    }
    lawful(many(isDrawn ? 300 : 5_000, (i) => Math.sin(i)));
  });

  test('equal arms have equal probabilities', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 12 }), (kinds) => {
        const arms = {
          count: kinds.length,
          priorities: kinds.map((kind) => 0.3 + 0.2 * kind),
          gammas: kinds.map((kind) => 40 + kind),
          standardErrors: kinds.map((kind) => 0.1 * (3 - kind)),
        };
        const p = of(arms);
        kinds.forEach((kind, i) => expect(p[i]).toBe(p[kinds.indexOf(kind)]));
      }),
      { seed: 42, numRuns: isDrawn ? 20 : 100 },
    );
  });

  test('the order of the arms changes nothing', () => {
    fc.assert(
      fc.property(armsOf(ordinary, 20), (arms) => {
        const turned = (list: ArrayLike<number>): number[] => Array.from(list).toReversed();
        const p = of(arms);
        const q = of({
          count: arms.count,
          priorities: turned(arms.priorities),
          gammas: turned(arms.gammas),
          standardErrors: turned(arms.standardErrors),
        });
        for (let i = 0; i < arms.count; i++) expect(Math.abs(p[i]! - q[arms.count - 1 - i]!)).toBeLessThan(isDrawn ? 0.12 : 1e-9);
      }),
      { seed: 43, numRuns: isDrawn ? 20 : 100 },
    );
  });

  test('the scale of rewards does not matter', () => {
    fc.assert(
      fc.property(armsOf(ordinary, 20), fc.constantFrom(2 ** -40, 2 ** -7, 8, 2 ** 60, 0.37, 1e6), (arms, c) => {
        const p = of(arms);
        const scaled = (list: ArrayLike<number>): number[] => Array.from(list, (value) => value * c);
        const q = of({ ...arms, priorities: scaled(arms.priorities), standardErrors: scaled(arms.standardErrors) });
        // A draw that was nearly a tie may fall the other way.
        for (let i = 0; i < arms.count; i++) expect(Math.abs(p[i]! - q[i]!)).toBeLessThan(isDrawn ? 2.5e-3 : 1e-9);
      }),
      { seed: 44, numRuns: isDrawn ? 20 : 100 },
    );
  });

  test('the same seed is the same choice, and what was asked is left as it was', () => {
    fc.assert(
      fc.property(armsOf(number, 20), fc.maxSafeNat(), (arms, seed) => {
        const before = JSON.stringify(arms);
        const first = of(arms, seed);
        of(many(30, Math.cos), seed + 1);
        expect(of(arms, seed)).toEqual(first);
        expect(JSON.stringify(arms)).toBe(before);
      }),
      { seed: 45, numRuns: isDrawn ? 20 : 100 },
    );
  });

  test('what is logged is how often it is drawn, within 0.002 over a million draws', () => {
    const p = of(many(12, (i) => 0.5 + 0.4 * Math.sin(i * 3)));
    const state = createUniformState();
    seedUniform(state, 46);
    const counts = new Float64Array(12);
    for (let i = 0; i < 1_000_000; i++) counts[sampleIndex(p, 12, nextUniform(state))]!++;
    for (let i = 0; i < 12; i++) expect(Math.abs(counts[i]! / 1_000_000 - p[i]!)).toBeLessThan(0.002);
  });
});

test('a name that nobody knows is refused', () => {
  expect(() => distribute({ name: 'ucb', parameters: [] }, many(2, Math.sin), 1, new Float64Array(2))).toThrow(
    /'ucb'; there are inverseGap/,
  );
});

test('ε falls with experience to what is least', () => {
  const spec: ExplorationSpec = { policy: 'epsilonGreedy', floor: 0, gammas, epsilon: 0.2, decay: 1_000, least: 0.01 };
  const epsilon = (n: number): number => resolvePolicy(spec, n).parameters[1]!;
  expect([epsilon(NaN), epsilon(0), epsilon(1_000), epsilon(1e9)]).toEqual([0.2, 0.2, 0.1, 0.01]);
});

test('an error from counts shrinks with the root of the count, and is never 0', () => {
  expect(errorFromCounts(0.2, 399, null)).toBeCloseTo(0.02, 12);
  expect(errorFromCounts(0, 0, null)).toBeGreaterThan(0.03);
  expect(errorFromCounts(-5, 3, 40)).toBe(20);
});
