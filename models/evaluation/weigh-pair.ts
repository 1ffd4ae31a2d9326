/** Two policies on the same rounds: q̂ cross-fitted by customer, the paired difference by DR, and how much of the log speaks of the challenger. */
import { asymptoticInterval, type Interval } from './interval.ts';
import type { CollectedRounds } from './collect-rounds.ts';
import { crossFit } from './cross-fit.ts';
import { doublyRobust } from './doubly-robust.ts';
import type { PerAction } from './logged-rounds.ts';
import { pairedTerms } from './paired-difference.ts';
import { ridgeRewardModel } from './ridge-reward-model.ts';
import { supportOf, type Support } from './support.ts';
import { valueOf } from './terms.ts';

export interface WeighedPair {
  readonly difference: Interval;
  readonly champion: number;
  readonly challenger: number;
  readonly customers: number;
  readonly support: Support;
  readonly championOutside: number;
}

/** @param rounds of two policies, the champion's first, with the features that q̂ is to use */
export const weighPair = (
  rounds: CollectedRounds,
  { seed, level = 0.95 }: { readonly seed: number; readonly level?: number },
): WeighedPair => {
  const { log, clusters, policies, outside } = rounds;
  const rewards = predictRewards(rounds, seed);
  const [champion, challenger] = [doublyRobust(log, policies[0]!, rewards), doublyRobust(log, policies[1]!, rewards)];
  return {
    difference: asymptoticInterval(pairedTerms(challenger, champion), { level, clusters }),
    champion: valueOf(champion),
    challenger: valueOf(challenger),
    customers: customersOf(rounds),
    support: { ...supportOf(log, policies[1]!), outside: outside[1]! },
    championOutside: outside[0]!,
  };
};

/** q̂ of every place, by rounds of other customers: linear in the features, with a part of each action's own. 0 where they are too few to fit. */
export const predictRewards = (rounds: CollectedRounds, seed: number): PerAction => {
  const { log, clusters, identity, features } = rounds;
  const K = log.actions;
  const dims = features.length / (log.action.length * K);
  const folds = Math.min(5, customersOf(rounds));
  if (folds < 2 || dims === 0) return new Float64Array(log.action.length * K);
  const model = ridgeRewardModel(log, {
    dims,
    x: (row, place) => features.subarray((row * K + place) * dims, (row * K + place + 1) * dims),
    identity: (row, place) => identity[row * K + place]!,
  });
  return crossFit(log, model, { folds, seed, clusters });
};

export const customersOf = ({ clusters }: Pick<CollectedRounds, 'clusters'>): number =>
  clusters.reduce((most, cluster) => Math.max(most, cluster + 1), 0);
