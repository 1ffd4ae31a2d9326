/**
 * DR: V̂ = mean(q̂(x, π_e) + w (r − q̂(x, a))) (Dudík, Langford & Li 2011). Unbiased for any q̂ that was not fitted on its own row; the better q̂, the
 * smaller its variance.
 */
import { importanceWeights, policyRewards, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import type { Terms } from './terms.ts';

export const doublyRobust = (log: LoggedRounds, policy: PerAction, rewards: PerAction): Terms => ({
  direct: policyRewards(log.actions, policy, rewards),
  correction: weighResiduals(log, rewards, importanceWeights(log, policy)),
  normaliser: null,
});

/** w (r − q̂(x, a)) of each round. */
export const weighResiduals = ({ actions, action, reward }: LoggedRounds, rewards: PerAction, weights: Float64Array): Float64Array =>
  weights.map((w, i) => w * (reward[i]! - rewards[i * actions + action[i]!]!));
