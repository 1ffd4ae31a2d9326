/** All that a log says of one policy beside the one that logged: every estimator, its intervals, the paired difference, and what to trust. */
import { AttuneError } from '#contracts';
import { bootstrapInterval } from './bootstrap-interval.ts';
import type { CollectedRounds, LeftOut } from './collect-rounds.ts';
import { confidenceSequence, differenceSequence } from './confidence-sequence.ts';
import { directMethod } from './direct-method.ts';
import { doublyRobust } from './doubly-robust.ts';
import { chooseLambda, doublyRobustShrinkage } from './doubly-robust-shrinkage.ts';
import { empiricalBernsteinInterval, rangeOfRounds, type Range } from './empirical-bernstein.ts';
import { asymptoticInterval, DEFAULT_LEVEL, type Clusters } from './interval.ts';
import { inversePropensity } from './inverse-propensity.ts';
import type { LoggedRounds, PerAction } from './logged-rounds.ts';
import { linearisedDifference, pairedTerms } from './paired-difference.ts';
import { selfNormalisedDoublyRobust } from './self-normalised-doubly-robust.ts';
import { selfNormalisedInversePropensity } from './self-normalised-inverse-propensity.ts';
import { supportOf, type Support } from './support.ts';
import { meanOf, valueOf, type Terms } from './terms.ts';
import { customersOf, predictRewards } from './weigh-pair.ts';

export const ESTIMATOR_NAMES = ['ips', 'snips', 'dm', 'dr', 'sndr', 'dros'] as const;
export type EstimatorName = (typeof ESTIMATOR_NAMES)[number];

export interface Bounds {
  readonly value: number;
  /** Null: the estimator is biased by what no interval of it can tell. */
  readonly low: number | null;
  readonly high: number | null;
}

export interface PolicyEvaluation {
  readonly decisions: number;
  readonly customers: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly level: number;
  /** Reward per decision as it was logged. */
  readonly logged: number;
  readonly support: Support;
  /** Decisions whose logged choice was certain: they say nothing of other choices. */
  readonly certain: number;
  readonly leftOut: LeftOut;
  /** Asymptotic intervals, clustered by customer. */
  readonly estimates: Readonly<Record<EstimatorName, Bounds>>;
  /** λ of DRos. */
  readonly lambda: number;
  /** Of the policy less the logged one, on the same decisions. */
  readonly differences: Readonly<Record<EstimatorName, Bounds>>;
  /** Other intervals of the same; the last three need the rewards' range. */
  readonly intervals: readonly (Bounds & { readonly method: string; readonly of: string })[];
}

export interface EvaluateOptions {
  readonly level?: number;
  readonly seed?: number;
  /** Of the rewards, known beforehand; null: no interval that needs it. */
  readonly reward?: Range | null;
  /** 1 over the floor under the logging probabilities, where it is known; null: no empirical Bernstein. */
  readonly largestWeight?: number | null;
}

/**
 * @param rounds of two policies, the logged one first
 * @throws AttuneError `evaluation.no-support` when the policy never does what was done, or only outside support
 */
export const evaluatePolicy = (rounds: CollectedRounds, options: EvaluateOptions = {}): PolicyEvaluation => {
  const { level = DEFAULT_LEVEL, seed = 1, reward = null, largestWeight = null } = options;
  const { log, clusters, outside } = rounds;
  const [logged, policy] = rounds.policies as [PerAction, PerAction];
  if (outside[1]! > 1 - 1e-9)
    throw new AttuneError(
      'evaluation.no-support',
      `all that the policy would choose is outside support: the log of ${log.action.length} decisions could never have shown it`,
    );
  const rewards = predictRewards(rounds, seed);
  const lambda = chooseLambda(log, policy, rewards);
  const of = (one: PerAction): Record<EstimatorName, Terms> => ({
    ips: inversePropensity(log, one),
    snips: selfNormalisedInversePropensity(log, one),
    dm: directMethod(log, one, rewards),
    dr: doublyRobust(log, one, rewards),
    sndr: selfNormalisedDoublyRobust(log, one, rewards),
    dros: doublyRobustShrinkage(log, one, rewards, lambda),
  });
  const [terms, against] = [of(policy), of(logged)];
  const bounds = (name: EstimatorName, one: Terms): Bounds => boundsOf(name, one, level, clusters);
  const table = (termsOf: (name: EstimatorName) => Terms): Record<EstimatorName, Bounds> =>
    Object.fromEntries(ESTIMATOR_NAMES.map((name) => [name, bounds(name, termsOf(name))])) as Record<EstimatorName, Bounds>;
  return {
    decisions: log.action.length,
    customers: customersOf(rounds),
    fromMs: rounds.fromMs,
    toMs: rounds.toMs,
    level,
    logged: meanOf(log.reward),
    support: { ...supportOf(log, policy), outside: outside[1]! },
    certain: rounds.certain,
    leftOut: rounds.leftOut,
    estimates: table((name) => terms[name]),
    lambda,
    differences: table((name) => linearisedDifference(terms[name], against[name])),
    intervals: [
      { ...bootstrapInterval(terms.dr, { level, clusters, seed }), of: 'dr' },
      { ...bootstrapInterval(pairedTerms(terms.dr, against.dr), { level, clusters, seed }), of: 'dr difference' },
      ...(reward === null ? [] : bounded(log, policy, logged, { reward, level, largestWeight, terms: terms.ips })),
    ].map(({ method, of, value, low, high }) => ({ method, of, value, low, high })),
  };
};

/** DM and DRos have a bias that their own spread does not show. */
const boundsOf = (name: EstimatorName, terms: Terms, level: number, clusters: Clusters): Bounds => {
  if (name === 'dm' || name === 'dros') return { value: valueOf(terms), low: null, high: null };
  const { value, low, high } = asymptoticInterval(terms, { level, clusters });
  return { value, low, high };
};

interface Bounding {
  readonly reward: Range;
  readonly level: number;
  readonly largestWeight: number | null;
  readonly terms: Terms;
}

const bounded = (log: LoggedRounds, policy: PerAction, logged: PerAction, { reward, level, largestWeight, terms }: Bounding) => {
  const last = (of: string, { low, high }: { readonly low: Float64Array; readonly high: Float64Array }, value: number) => ({
    method: 'confidence sequence',
    of,
    value,
    low: low.at(-1)!,
    high: high.at(-1)!,
  });
  const seen = meanOf(log.reward);
  return [
    ...(largestWeight === null
      ? []
      : [
          {
            ...empiricalBernsteinInterval(terms, {
              range: rangeOfRounds({ reward, largestWeight, modelled: false }),
              within: reward,
              level,
            }),
            method: 'empirical Bernstein',
            of: 'ips',
          },
        ]),
    last('ips', confidenceSequence(log, policy, { reward, level }), valueOf(terms)),
    last('ips difference', differenceSequence(log, policy, logged, { reward, level }), valueOf(terms) - seen),
  ];
};
