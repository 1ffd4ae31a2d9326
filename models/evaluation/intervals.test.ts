/** Intervals on small worlds whose truth is known; `npm run bench:evaluation` measures coverage at length. */
import { expect, test } from 'vitest';
import { createUniformState, nextUniform, seedUniform } from '../exploration/uniform-stream.ts';
import {
  asymptoticInterval,
  asymptoticSequence,
  bootstrapInterval,
  calibrationErrorOf,
  confidenceSequence,
  crossFit,
  differenceSequence,
  doublyRobust,
  empiricalBernsteinInterval,
  inversePropensity,
  linearisedDifference,
  pairedTerms,
  rangeOfRounds,
  ridgeRewardModel,
  roundsOf,
  selfNormalisedInversePropensity,
  valueOf,
  type LoggedRounds,
  type Terms,
} from './index.ts';
import { studentQuantile } from './student-quantile.ts';

/** Two actions, drawn 4 : 1; action 1 is accepted with 0.5 + 0.3 x, action 0 with 0.4. The policy always takes action 1: V = 0.5. */
const world = (n: number, seed: number) => {
  const state = createUniformState();
  seedUniform(state, seed);
  const uniform = (): number => nextUniform(state);
  const x = new Float64Array(2 * n);
  const log: LoggedRounds = { actions: 2, action: new Int32Array(n), reward: new Float64Array(n), probability: new Float64Array(n) };
  for (let i = 0; i < n; i++) {
    x[2 * i] = 1;
    x[2 * i + 1] = 2 * uniform() - 1;
    const a = uniform() < 0.8 ? 0 : 1;
    log.action[i] = a;
    log.probability[i] = a === 0 ? 0.8 : 0.2;
    log.reward[i] = uniform() < (a === 0 ? 0.4 : 0.5 + 0.3 * x[2 * i + 1]!) ? 1 : 0;
  }
  const always = (action: number): Float64Array => Float64Array.from({ length: 2 * n }, (_, k) => (k % 2 === action ? 1 : 0));
  return { log, x, policy: always(1), other: always(0) };
};
const TRUTH = 0.5;
const rowsOf = (x: Float64Array) => (row: number) => x.subarray(2 * row, 2 * row + 2);
const plain = (values: readonly number[]): Terms => ({ direct: Float64Array.from(values), correction: null, normaliser: null });

test('quantiles of Student’s t are those of the tables', () => {
  expect(studentQuantile(0.975, 1)).toBeCloseTo(12.706204736174694, 7);
  expect(studentQuantile(0.975, 4)).toBeCloseTo(2.7764451051977934, 9);
  expect(studentQuantile(0.9, 999)).toBeCloseTo(1.2823995700373971, 8);
  expect(studentQuantile(0.025, 30)).toBeCloseTo(-2.042272456301238, 9);
  expect(studentQuantile(0.975, 1e8)).toBeCloseTo(1.959963985, 7);
});

test('the asymptotic interval of a plain mean is the t interval', () => {
  const { value, low, high } = asymptoticInterval(plain([1, 2, 3, 4, 5]));
  expect(value).toBe(3);
  expect(high - value).toBeCloseTo(2.7764451 * Math.sqrt(2.5 / 5), 6);
  expect(value - low).toBeCloseTo(high - value, 12);
});

test('rounds of one customer count as one: copies of each round do not make the interval narrower', () => {
  const { log, policy } = world(400, 1);
  const twice = <T extends Float64Array | Int32Array>(of: T): T => of.map((_, i) => of[i >> 1]!) as T;
  const double = (of: Float64Array): Float64Array => twice(Float64Array.from([...of, ...of]));
  const once = asymptoticInterval(inversePropensity(log, policy));
  const copied: LoggedRounds = {
    actions: 2,
    action: Int32Array.from({ length: 800 }, (_, i) => log.action[i >> 1]!),
    reward: double(log.reward),
    probability: double(log.probability),
  };
  const both = Float64Array.from({ length: 1600 }, (_, k) => (k % 2 === 1 ? 1 : 0));
  const clusters = Int32Array.from({ length: 800 }, (_, i) => i >> 1);
  const clustered = asymptoticInterval(inversePropensity(copied, both), { clusters });
  expect(clustered.low).toBeCloseTo(once.low, 9);
  expect(asymptoticInterval(inversePropensity(copied, both)).low).toBeGreaterThan(once.low);
  const width = ({ low, high }: { low: number; high: number }): number => high - low;
  const resampled = bootstrapInterval(inversePropensity(copied, both), { seed: 3, clusters });
  expect(width(resampled) / width(clustered)).toBeGreaterThan(0.9);
});

test('the bootstrap is seeded, and near the asymptotic interval where that holds', () => {
  const { log, policy } = world(2_000, 2);
  const terms = selfNormalisedInversePropensity(log, policy);
  const one = bootstrapInterval(terms, { seed: 5 });
  expect(bootstrapInterval(terms, { seed: 5 })).toEqual(one);
  expect(bootstrapInterval(terms, { seed: 6 }).low).not.toBe(one.low);
  const { low, high } = asymptoticInterval(terms);
  expect(Math.abs(one.low - low)).toBeLessThan(0.15 * (high - low));
  expect(Math.abs(one.high - high)).toBeLessThan(0.15 * (high - low));
});

test('empirical Bernstein is the formula of Maurer & Pontil, within the range that is known', () => {
  const values = [0, 0.25, 0.5, 0.75, 1, 0.5];
  const { value, low, high } = empiricalBernsteinInterval(plain(values.flatMap((x) => Array.from({ length: 100 }, () => x))), {
    range: { low: 0, high: 1 },
  });
  const variance = (values.reduce((sum, x) => sum + (x - 0.5) ** 2, 0) * 100) / 599;
  const half = Math.sqrt((2 * variance * Math.log(80)) / 600) + (7 * Math.log(80)) / (3 * 599);
  expect([value, low, high].map((x) => x.toFixed(12))).toEqual([0.5, 0.5 - half, 0.5 + half].map((x) => x.toFixed(12)));
  expect(() => empiricalBernsteinInterval(plain([0, 2]), { range: { low: 0, high: 1 } })).toThrow('a round is worth 2, outside the range');
  const { log, policy } = world(50, 3);
  expect(() => empiricalBernsteinInterval(selfNormalisedInversePropensity(log, policy), { range: { low: 0, high: 5 } })).toThrow(
    'plain mean',
  );
});

test('each interval holds the truth about as often as it says, over 100 worlds', () => {
  const missed = { asymptotic: 0, bootstrap: 0, empiricalBernstein: 0, doublyRobust: 0 };
  for (let seed = 0; seed < 100; seed++) {
    const { log, policy, x } = world(400, 100 + seed);
    const ips = inversePropensity(log, policy);
    const q = crossFit(log, ridgeRewardModel(log, { dims: 2, x: rowsOf(x) }), { folds: 3, seed });
    const range = rangeOfRounds({ reward: { low: 0, high: 1 }, largestWeight: 5, modelled: false });
    const holds = ({ low, high }: { low: number; high: number }): number => (low <= TRUTH && TRUTH <= high ? 0 : 1);
    missed.asymptotic += holds(asymptoticInterval(ips));
    missed.bootstrap += holds(bootstrapInterval(ips, { seed, resamples: 300 }));
    missed.empiricalBernstein += holds(empiricalBernsteinInterval(ips, { range }));
    missed.doublyRobust += holds(asymptoticInterval(doublyRobust(log, policy, q)));
  }
  // P(more than 12 of 100 at 5 %) is 0.15 %.
  for (const many of Object.values(missed)) expect(many).toBeLessThanOrEqual(12);
  expect(missed.asymptotic).toBeGreaterThan(0);
  expect(missed.empiricalBernstein).toBe(0);
});

test('a confidence sequence holds at every n together, and still narrows', () => {
  let [values, differences, asymptotic] = [0, 0, 0];
  for (let seed = 0; seed < 60; seed++) {
    const { log, policy, other } = world(2_000, 500 + seed);
    const holds = (low: Float64Array, high: Float64Array, truth: number): boolean =>
      low.every((bound) => bound <= truth) && high.every((bound) => bound >= truth);
    const of = confidenceSequence(log, policy, { reward: { low: 0, high: 1 } });
    values += holds(of.low, of.high, TRUTH) ? 0 : 1;
    const less = differenceSequence(log, policy, other, { reward: { low: 0, high: 1 } });
    differences += holds(less.low, less.high, 0.1) ? 0 : 1;
    const normal = asymptoticSequence(roundsOf(inversePropensity(log, policy)));
    asymptotic += holds(normal.low, normal.high, TRUTH) ? 0 : 1;
    if (seed === 0) {
      expect(of.high.at(-1)! - of.low.at(-1)!).toBeLessThan(0.45);
      expect(of.high[99]! - of.low[99]!).toBeGreaterThan(of.high.at(-1)! - of.low.at(-1)!);
      expect(less.high.at(-1)! - less.low.at(-1)!).toBeLessThan(0.7);
      expect(normal.low[198]).toBe(-Infinity);
      expect(normal.high.at(-1)! - normal.low.at(-1)!).toBeLessThan(0.3);
    }
  }
  for (const missed of [values, differences, asymptotic]) expect(missed).toBeLessThanOrEqual(7);
  expect(() => confidenceSequence(world(50, 1).log, world(50, 1).policy, { reward: { low: 0, high: 0.5 } })).toThrow(
    /reward\[\d+\] is 1, outside/,
  );
});

test('the paired difference is the difference of the values, and known better than both where the policies are alike', () => {
  const { log, policy, other, x } = world(1_000, 7);
  const q = crossFit(log, ridgeRewardModel(log, { dims: 2, x: rowsOf(x) }), { seed: 1 });
  // Alike in nine decisions of ten.
  const nearly = policy.map((p, k) => (k % 20 < 18 ? p : other[k]!));
  const [one, two] = [doublyRobust(log, policy, q), doublyRobust(log, nearly, q)];
  const paired = asymptoticInterval(pairedTerms(one, two));
  expect(paired.value).toBeCloseTo(valueOf(one) - valueOf(two), 12);
  const { low, high } = asymptoticInterval(one);
  expect(paired.high - paired.low).toBeLessThan(0.6 * (high - low));
  const linear = linearisedDifference(selfNormalisedInversePropensity(log, policy), selfNormalisedInversePropensity(log, nearly));
  expect(valueOf(linear)).toBeCloseTo(
    valueOf(selfNormalisedInversePropensity(log, policy)) - valueOf(selfNormalisedInversePropensity(log, nearly)),
    12,
  );
});

test('cross-fitting predicts no round by a model that has seen it, nor its customer', () => {
  const { log } = world(60, 8);
  const clusters = Int32Array.from({ length: 60 }, (_, i) => i % 20);
  const seen: Set<number>[] = [];
  crossFit(
    log,
    (rows) => {
      const known = new Set([...rows].map((row) => clusters[row]!));
      seen.push(known);
      return (row) => expect(known.has(clusters[row]!)).toBe(false);
    },
    { folds: 4, seed: 2, clusters },
  );
  expect(seen.map(({ size }) => size)).toEqual([15, 15, 15, 15]);
  expect(() => crossFit(log, () => () => undefined, { folds: 1, seed: 1 })).toThrow('folds must be');
});

test('the ridge finds what each action depends on, and knows an action that nobody has seen by the shared part', () => {
  const { log, x } = world(4_000, 9);
  const identity = Int32Array.from({ length: 8_000 }, (_, k) => k % 2);
  const out = new Float64Array(2);
  const predict = ridgeRewardModel(log, { dims: 2, x: rowsOf(x), identity: (row, place) => identity[2 * row + place]! })(
    Int32Array.from({ length: 4_000 }, (_, i) => i),
  );
  predict(0, out, 0);
  expect(out[0]).toBeCloseTo(0.4, 1);
  expect(Math.abs(out[1]! - (0.5 + 0.3 * x[1]!))).toBeLessThan(0.06);
  identity[0] = 7;
  identity[1] = -1;
  predict(0, out, 0);
  expect(out[0]).toBeGreaterThan(0.3);
  expect(out[1]).toBe(0);
});

test('calibration error beyond chance is near 0 for true rates and the gap for shifted ones', () => {
  const state = createUniformState();
  seedUniform(state, 10);
  const rates = Float64Array.from({ length: 5_000 }, () => nextUniform(state) * 0.4);
  const targets = rates.map((rate) => (nextUniform(state) < rate ? 1 : 0));
  const true_ = calibrationErrorOf(rates, targets);
  expect(Math.abs(true_.error - true_.chance)).toBeLessThan(0.01);
  const shifted = calibrationErrorOf(
    rates.map((rate) => rate + 0.1),
    targets,
  );
  expect(shifted.error).toBeCloseTo(0.1, 1);
  expect(true_.bins.reduce((sum, { rows }) => sum + rows, 0)).toBe(5_000);
});
