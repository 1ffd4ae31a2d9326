import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createUniformState, nextUniform, seedUniform } from '../exploration/uniform-stream.ts';
import { addCounts, addTrial, backfireBounds, guardVerdict, shrunkRise, type BackfireCounts, type BackfireTrial } from './index.ts';

const ALPHA = 0.05;
const SETTINGS = { margin: 0.01, holdout: { first: 0.2, last: 0.05 }, ramp: 500 };

interface World {
  readonly base: (i: number) => number;
  readonly effect: number;
  readonly share: (i: number) => number;
}

const play = ({ base, effect, share }: World, trials: number, seed: number, look: (counts: BackfireCounts) => void): void => {
  const state = createUniformState();
  seedUniform(state, seed);
  let counts: BackfireCounts = [];
  for (let i = 0; i < trials; i++) {
    const arm = nextUniform(state) < share(i) ? 'heldOut' : 'contacted';
    const inbound = nextUniform(state) < base(i) + (arm === 'contacted' ? effect : 0);
    counts = addTrial(counts, { share: share(i), arm, inbound });
    if (i % 25 === 24) look(counts);
  }
};

const WORLDS: readonly [string, World][] = [
  ['no effect, a fifth held out', { base: () => 0.08, effect: 0, share: () => 0.2 }],
  ['harm', { base: () => 0.08, effect: 0.08, share: () => 0.2 }],
  ['help', { base: () => 0.16, effect: -0.06, share: () => 0.2 }],
  ['few held out, a rare event', { base: () => 0.01, effect: 0, share: () => 0.05 }],
  [
    'a base rate that drifts while the share falls',
    { base: (i) => 0.05 + 0.2 * (i / 1_500), effect: 0.02, share: (i) => (i < 500 ? 0.2 : 0.05) },
  ],
];

test('each bound holds at every number of trials together, in all but a share of α of the worlds', () => {
  const runs = 100;
  // α plus three standard errors of a binomial.
  const most = runs * ALPHA + 3 * Math.sqrt(runs * ALPHA * (1 - ALPHA));
  for (const [name, world] of WORLDS) {
    const missed = { low: new Set<number>(), high: new Set<number>() };
    for (let seed = 1; seed <= runs; seed++) {
      play(world, 1_500, seed, (counts) => {
        const { low, high } = backfireBounds(counts, ALPHA);
        if (low > world.effect) missed.low.add(seed);
        if (high < world.effect) missed.high.add(seed);
      });
    }
    expect(missed.low.size, `${name}: low`).toBeLessThanOrEqual(most);
    expect(missed.high.size, `${name}: high`).toBeLessThanOrEqual(most);
  }
});

test('an action that doubles a rate of 8 % is found out, and one that helps is proven not to harm', () => {
  let found = 0;
  for (let seed = 1; seed <= 20; seed++) {
    let isFound = false;
    play({ base: () => 0.08, effect: 0.08, share: () => 0.2 }, 2_500, seed, (counts) => {
      isFound ||= guardVerdict(backfireBounds(counts, ALPHA), SETTINGS).pause;
    });
    if (isFound) found++;
  }
  expect(found).toBeGreaterThanOrEqual(19);
  let last: BackfireCounts = [];
  play({ base: () => 0.16, effect: -0.06, share: () => 0.2 }, 4_000, 1, (counts) => (last = counts));
  const bounds = backfireBounds(last, ALPHA);
  expect(bounds.high).toBeLessThan(0);
  expect(guardVerdict(bounds, SETTINGS)).toEqual({ pause: false, share: 0.05, ramp: null });
});

const trials: fc.Arbitrary<readonly BackfireTrial[]> = fc.array(
  fc.record({ share: fc.constantFrom(0.2, 0.15, 0.05), arm: fc.constantFrom('contacted', 'heldOut'), inbound: fc.boolean() }),
  { maxLength: 200 },
);
const countsOf = (some: readonly BackfireTrial[]): BackfireCounts => some.reduce(addTrial, []);

test('counts add over partitions in any order, and the bounds lie around the estimate', () => {
  fc.assert(
    fc.property(trials, trials, (some, others) => {
      expect(addCounts(countsOf(some), countsOf(others))).toEqual(countsOf([...others, ...some]));
      const { low, high, estimate, contacted, heldOut } = backfireBounds(countsOf(some), ALPHA);
      expect(contacted + heldOut).toBe(some.length);
      expect(low).toBeLessThan(high);
      expect(low).toBeGreaterThanOrEqual(-1);
      expect(high).toBeLessThanOrEqual(1);
      if (estimate === null) return;
      expect(Math.abs(estimate)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 60 },
  );
});

test('of nothing, nothing is known; shares are those that receipts keep as floats of 32 bits', () => {
  expect(backfireBounds([], ALPHA)).toEqual({ low: -1, high: 1, estimate: null, contacted: 0, heldOut: 0 });
  expect(guardVerdict(backfireBounds([], ALPHA), SETTINGS)).toEqual({ pause: false, share: 0.2, ramp: 500 });
  expect(addTrial([], { share: Math.fround(0.2), arm: 'heldOut', inbound: true })).toEqual([
    { share: 0.2, contacted: 0, contactedInbound: 0, heldOut: 1, heldOutInbound: 1 },
  ]);
  for (const share of [0, 1, Number.NaN]) expect(() => addTrial([], { share, arm: 'heldOut', inbound: true })).toThrow(/hold-out share/);
  expect(() => backfireBounds([], 0)).toThrow(/alpha/);
});

test('the hold-out falls in steps as the upper bound does, and the ramp grows with what has matured', () => {
  const at = (high: number, contacted: number) => guardVerdict({ low: -1, high, estimate: 0, contacted, heldOut: 0 }, SETTINGS);
  expect([1, 0.04, 0.031, 0.03, 0.02, 0.011, 0.01, -0.5].map((high) => at(high, 0).share)).toEqual([
    0.2, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05,
  ]);
  expect([0, 1_999, 2_000, 9_000].map((contacted) => at(0.5, contacted).ramp)).toEqual([500, 500, 2_000, 9_000]);
  expect(at(0.01, 300).ramp).toBeNull();
});

test('the rise that decisions count is near 0 without proof, and nears the truth long before a pause', () => {
  const rises = new Map<number, number[]>();
  const pausedAt: number[] = [];
  for (let seed = 1; seed <= 40; seed++) {
    let [trials, isPaused] = [0, false];
    play({ base: () => 0.08, effect: 0.08, share: () => 0.2 }, 2_000, seed, (counts) => {
      trials += 25;
      if ([25, 300, 2_000].includes(trials)) rises.set(trials, [...(rises.get(trials) ?? []), shrunkRise(counts)]);
      if (isPaused || !guardVerdict(backfireBounds(counts, ALPHA), SETTINGS).pause) return;
      isPaused = true;
      pausedAt.push(trials);
    });
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  expect(Math.abs(mean(rises.get(25)!))).toBeLessThan(0.03);
  expect(mean(rises.get(300)!)).toBeGreaterThan(0.03);
  expect(mean(pausedAt)).toBeGreaterThan(300);
  expect(mean(rises.get(2_000)!)).toBeGreaterThan(0.06);
  expect(mean(rises.get(2_000)!)).toBeLessThan(0.085);
  expect(shrunkRise([])).toBe(0);
});
