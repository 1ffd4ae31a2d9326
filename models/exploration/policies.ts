/** Every policy by the name that a receipt records. A name always means the same computation: one that is changed takes a new name. */
import { AttuneError } from '#contracts';
import { applyFloor } from './apply-floor.ts';
import type { Arms, Distribute, ResolvedPolicy } from './arms.ts';
import { greedy, uniform } from './baselines.ts';
import { epsilonGreedy, epsilonOf } from './epsilon-greedy.ts';
import type { EpsilonSchedule } from './epsilon-greedy.ts';
import { DEFAULT_GAMMA_SCHEDULE } from './gamma-schedule.ts';
import type { GammaSchedule } from './gamma-schedule.ts';
import { inverseGapWeighting } from './inverse-gap-weighting.ts';
import { scalePriorities } from './scale-priorities.ts';
import { softmax } from './softmax.ts';
import { thompson } from './thompson.ts';
import { thompsonDraws } from './thompson-draws.ts';

/** How the arms' standard errors come about, where a policy needs them: from counts alone, or from the head's posterior on the trunk's features. */
export type ErrorSource = 'counts' | 'posterior';

/** A policy as a catalog declares it. */
export type ExplorationSpec = { readonly floor: number; readonly gammas: GammaSchedule } & (
  | { readonly policy: 'inverseGap' | 'greedy' | 'uniform' }
  | { readonly policy: 'thompson' | 'neuralLinear'; readonly draws: number; readonly correlation: number }
  | { readonly policy: 'softmax'; readonly temperature: number }
  | ({ readonly policy: 'epsilonGreedy' } & EpsilonSchedule)
);

export const POLICY_NAMES = ['inverseGap', 'thompson', 'neuralLinear', 'softmax', 'epsilonGreedy', 'greedy', 'uniform'] as const;

export const DEFAULT_EXPLORATION: ExplorationSpec = Object.freeze({ policy: 'inverseGap', floor: 0, gammas: DEFAULT_GAMMA_SCHEDULE });

/**
 * For callers' own candidates: the posterior of what is shown draws, so that a rare large loss is neither repeated nor locked in (in the
 * mushroom problem inverse-gap weighting's loss is twice as high). The floor is for off-policy evaluation: no weight above 10,000.
 */
export const DEFAULT_OWN_EXPLORATION: ExplorationSpec = Object.freeze({
  policy: 'neuralLinear',
  floor: 1e-4,
  draws: 0,
  correlation: 0,
  gammas: DEFAULT_GAMMA_SCHEDULE,
});

/** Null: this policy needs no standard errors. */
export const errorSourceOf = ({ policy }: Pick<ExplorationSpec, 'policy'>): ErrorSource | null =>
  policy === 'thompson' ? 'counts' : policy === 'neuralLinear' ? 'posterior' : null;

/** At one decision: what falls with experience has its value. @param effectiveN of the whole model */
export const resolvePolicy = (spec: ExplorationSpec, effectiveN: number): ResolvedPolicy => {
  switch (spec.policy) {
    case 'softmax':
      return { name: 'softmax', parameters: [spec.floor, spec.temperature] };
    case 'epsilonGreedy':
      return { name: 'epsilonGreedy', parameters: [spec.floor, epsilonOf(spec, effectiveN)] };
    case 'thompson':
    case 'neuralLinear':
      return spec.draws > 0
        ? { name: 'thompsonDraws', parameters: [spec.floor, spec.draws, spec.correlation] }
        : { name: 'thompson', parameters: [spec.floor] };
    default:
      return { name: spec.policy, parameters: [spec.floor] };
  }
};

const floored =
  (distribute: Distribute): Distribute =>
  (arms, parameters, seed, out) =>
    applyFloor(distribute(arms, parameters, seed, out), arms.count, parameters[0] ?? 0);

let scaled = new Float64Array(128);

/** The first parameter is the floor. */
const POLICIES: ReadonlyMap<string, Distribute> = new Map<string, Distribute>([
  [
    'inverseGap',
    floored(({ priorities, gammas, count }, _, __, out) => {
      if (count > scaled.length) scaled = new Float64Array(count * 2);
      return inverseGapWeighting(scalePriorities(priorities, count, scaled), gammas, count, out);
    }),
  ],
  ['thompson', floored((arms, _, __, out) => thompson(arms, out))],
  ['thompsonDraws', floored((arms, [, draws = 0, correlation = 0], seed, out) => thompsonDraws(arms, { draws, correlation, seed }, out))],
  ['softmax', floored(({ priorities, count }, [, temperature = 0], _, out) => softmax(priorities, count, temperature, out))],
  ['epsilonGreedy', floored(({ priorities, count }, [, epsilon = 0], _, out) => epsilonGreedy(priorities, count, epsilon, out))],
  ['greedy', floored(({ priorities, count }, _, __, out) => greedy(priorities, count, out))],
  ['uniform', ({ count }, _, __, out) => uniform(count, out)],
]);

/**
 * @param seed of the decision; only a policy that estimates its probabilities by draws uses it
 * @param out at least `count` long; the first `count` entries are written, and may be `priorities` itself for no policy
 * @throws AttuneError `exploration.unknown`
 */
export const distribute = (policy: ResolvedPolicy, arms: Arms, seed: number, out: Float64Array): Float64Array => {
  const found = POLICIES.get(policy.name);
  if (found === undefined)
    throw new AttuneError(
      'exploration.unknown',
      `no exploration policy is called '${policy.name}'; there are ${[...POLICIES.keys()].join(', ')}`,
    );
  return found(arms, policy.parameters, seed, out);
};
