/** Estimators against the Open Bandit Pipeline's figures (bench/peers/obp/make_fixture.py), and the laws that each obeys. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkRounds,
  chooseLambda,
  directMethod,
  doublyRobust,
  doublyRobustShrinkage,
  influenceOf,
  inversePropensity,
  pairedDoublyRobust,
  roundsOf,
  selfNormalisedDoublyRobust,
  selfNormalisedInversePropensity,
  slotTerms,
  SLOT_ASSUMPTIONS,
  supportOf,
  valueOf,
  type LoggedRounds,
} from './index.ts';

interface Fixture {
  readonly actions: number;
  readonly action: number[];
  readonly reward: number[];
  readonly probability: number[];
  readonly policy: number[];
  readonly rewards: number[];
  readonly lambdas: (number | 'Infinity')[];
  readonly expected: Readonly<Record<string, number>>;
  readonly chosen: Readonly<Record<'slope' | 'mse', number | 'Infinity'>>;
  readonly slots: {
    readonly count: number;
    readonly reward: number[];
    readonly probability: number[];
    readonly policy: number[];
    readonly expected: Readonly<Record<'independent' | 'cascade' | 'standard', number>>;
  };
}
const fixture = JSON.parse(readFileSync(new URL('../../bench/peers/obp/fixture.json', import.meta.url), 'utf8')) as Fixture;
const log: LoggedRounds = {
  actions: fixture.actions,
  action: Int32Array.from(fixture.action),
  reward: Float64Array.from(fixture.reward),
  probability: Float64Array.from(fixture.probability),
};
const policy = Float64Array.from(fixture.policy);
const rewards = Float64Array.from(fixture.rewards);
const lambdas = fixture.lambdas.map(Number);

test.each([
  ['ips', () => inversePropensity(log, policy)],
  ['snips', () => selfNormalisedInversePropensity(log, policy)],
  ['dm', () => directMethod(log, policy, rewards)],
  ['dr', () => doublyRobust(log, policy, rewards)],
  ['sndr', () => selfNormalisedDoublyRobust(log, policy, rewards)],
  ...fixture.lambdas.map(
    (lambda) =>
      [
        `dros/${lambda === 'Infinity' ? 'inf' : lambda.toFixed(1)}`,
        () => doublyRobustShrinkage(log, policy, rewards, Number(lambda)),
      ] as const,
  ),
  ...(['slope', 'mse'] as const).map(
    (by) => [`dros/${by}`, () => doublyRobustShrinkage(log, policy, rewards, chooseLambda(log, policy, rewards, { lambdas, by }))] as const,
  ),
] as const)('%s equals the Open Bandit Pipeline within 1e-9', (name, terms) => {
  expect(fixture.expected[name]).toBeTypeOf('number');
  expect(Math.abs(valueOf(terms()) - fixture.expected[name]!)).toBeLessThan(1e-9);
  const rounds = roundsOf(terms());
  expect(Math.abs(rounds.reduce((a, b) => a + b, 0) / rounds.length - fixture.expected[name]!)).toBeLessThan(1e-9);
});

test('λ is chosen as the Open Bandit Pipeline chooses it, by SLOPE++ and by the bound of the squared error', () => {
  expect(chooseLambda(log, policy, rewards, { lambdas, by: 'slope' })).toBe(Number(fixture.chosen.slope));
  expect(chooseLambda(log, policy, rewards, { lambdas, by: 'mse' })).toBe(Number(fixture.chosen.mse));
});

test.each(['independent', 'cascade', 'standard'] as const)('slots, %s: equals the Open Bandit Pipeline within 1e-9', (assumption) => {
  const { slots } = fixture;
  const decisions = slots.reward.length / slots.count;
  const terms = slotTerms(
    {
      decision: Int32Array.from({ length: slots.reward.length }, (_, i) => Math.floor(i / slots.count)),
      reward: Float64Array.from(slots.reward),
      probability: Float64Array.from(slots.probability),
      policy: Float64Array.from(slots.policy),
    },
    assumption,
  );
  expect(terms.correction).toHaveLength(decisions);
  expect(Math.abs(valueOf(terms) - slots.expected[assumption])).toBeLessThan(1e-9);
});

const round = fc.record({
  weights: fc.array(fc.double({ min: 0.05, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
  against: fc.array(fc.double({ min: 0.05, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
  action: fc.nat(2),
  reward: fc.double({ min: -5, max: 5, noNaN: true }),
  predicted: fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 3, maxLength: 3 }),
});
const shares = (weights: readonly number[]): number[] => weights.map((w) => w / weights.reduce((a, b) => a + b, 0));
const logged = fc.array(round, { minLength: 2, maxLength: 40 }).map((rounds) => ({
  log: {
    actions: 3,
    action: Int32Array.from(rounds, ({ action }) => action),
    reward: Float64Array.from(rounds, ({ reward }) => reward),
    probability: Float64Array.from(rounds, ({ against, action }) => shares(against)[action]!),
  },
  logging: Float64Array.from(rounds.flatMap(({ against }) => shares(against))),
  policy: Float64Array.from(rounds.flatMap(({ weights }) => shares(weights))),
  rewards: Float64Array.from(rounds.flatMap(({ predicted }) => predicted)),
}));

test('the policy that logged is worth what was seen, by every estimator that looks at rewards', () => {
  fc.assert(
    fc.property(logged, ({ log, logging, rewards }) => {
      const seen = log.reward.reduce((a, b) => a + b, 0) / log.reward.length;
      expect(valueOf(inversePropensity(log, logging))).toBeCloseTo(seen, 9);
      expect(valueOf(selfNormalisedInversePropensity(log, logging))).toBeCloseTo(seen, 9);
      const paired = pairedDoublyRobust(log, logging, logging, rewards);
      expect(roundsOf(paired).every((x) => x === 0)).toBe(true);
    }),
    { seed: 21, numRuns: 60 },
  );
});

test('influence values have mean 0, and a reward that is worth more by a constant makes the self-normalised values worth more by it', () => {
  fc.assert(
    fc.property(logged, fc.double({ min: -10, max: 10, noNaN: true }), ({ log, policy, rewards }, constant) => {
      const raised = { ...log, reward: log.reward.map((r) => r + constant) };
      for (const estimate of [
        (of: LoggedRounds) => selfNormalisedInversePropensity(of, policy),
        (of: LoggedRounds) => selfNormalisedDoublyRobust(of, policy, rewards),
      ]) {
        expect(influenceOf(estimate(log)).reduce((a, b) => a + b, 0)).toBeCloseTo(0, 8);
        expect(valueOf(estimate(raised))).toBeCloseTo(valueOf(estimate(log)) + constant, 8);
      }
    }),
    { seed: 22, numRuns: 60 },
  );
});

test('DR lies between DM at λ = 0 and itself at λ → ∞, and where q̂ is the reward itself it is DM', () => {
  fc.assert(
    fc.property(logged, ({ log, policy, rewards }) => {
      expect(valueOf(doublyRobustShrinkage(log, policy, rewards, 0))).toBeCloseTo(valueOf(directMethod(log, policy, rewards)), 9);
      expect(valueOf(doublyRobustShrinkage(log, policy, rewards, 1e15))).toBeCloseTo(valueOf(doublyRobust(log, policy, rewards)), 6);
      const exact = { ...log, reward: Float64Array.from(log.action, (a, i) => rewards[3 * i + a]!) };
      expect(valueOf(doublyRobust(exact, policy, rewards))).toBeCloseTo(valueOf(directMethod(exact, policy, rewards)), 9);
    }),
    { seed: 23, numRuns: 60 },
  );
});

test('with one slot a decision every assumption is IPS', () => {
  fc.assert(
    fc.property(logged, ({ log, policy }) => {
      const chosen = Float64Array.from(log.action, (a, i) => policy[3 * i + a]!);
      for (const assumption of SLOT_ASSUMPTIONS) {
        const terms = slotTerms(
          { decision: Int32Array.from(log.action, (_, i) => i), reward: log.reward, probability: log.probability, policy: chosen },
          assumption,
        );
        expect(valueOf(terms)).toBeCloseTo(valueOf(inversePropensity(log, policy)), 9);
      }
    }),
    { seed: 24, numRuns: 40 },
  );
});

test('support tells the effective sample, the largest weight, and what could not have been logged', () => {
  const log: LoggedRounds = {
    actions: 2,
    action: Int32Array.of(0, 0, 0, 1),
    reward: new Float64Array(4),
    probability: Float64Array.of(0.5, 0.5, 0.5, 0.5),
  };
  const policy = Float64Array.of(1, 0, 1, 0, 1, 0, 0.5, 0.5);
  expect(supportOf(log, policy)).toEqual({
    rounds: 4,
    effectiveN: 49 / 13,
    largestWeight: 2,
    largestShare: 2 / 7,
    meanWeight: 1.75,
    outside: 0,
  });
});

test.each([
  ['reward', { ...log, reward: new Float64Array(2) }, policy, 'reward has 2 entries'],
  ['no rounds', { ...log, action: new Int32Array(0) }, policy, 'no rounds'],
  ['probability', { ...log, probability: log.probability.map(() => 0) }, policy, 'probability[0] is 0'],
  ['reward', { ...log, reward: log.reward.map(() => NaN) }, policy, 'reward[0] is NaN'],
  ['action', { ...log, action: log.action.map(() => 9) }, policy, 'action[0] is 9'],
  ['policy', log, policy.map((p) => p / 2), 'sum to 0.5'],
  ['policy', log, policy.slice(1), 'not n × K'],
])('what no estimator can use is refused by its name: %s', (_, log, policy, message) => {
  expect(() => checkRounds(log, policy)).toThrow(message);
});

test('what an estimator can use passes', () => {
  expect(() => checkRounds(log, policy, rewards)).not.toThrow();
});

test('a policy that never does what was done is refused, not valued at NaN', () => {
  const two: LoggedRounds = { actions: 2, action: Int32Array.of(0, 0), reward: Float64Array.of(1, 0), probability: Float64Array.of(1, 1) };
  expect(() => selfNormalisedInversePropensity(two, Float64Array.of(0, 1, 0, 1))).toThrow('probability 0 to each of the 2 logged choices');
});
