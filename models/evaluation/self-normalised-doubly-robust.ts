/** SNDR: V̂ = mean(q̂(x, π_e)) + Σ w (r − q̂(x, a)) / Σ w (Robins, Sued, Lei-Gomez & Rotnitzky 2007). DR that large weights sway less. */
import { weighResiduals } from './doubly-robust.ts';
import { importanceWeights, policyRewards, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import { requireWeight } from './self-normalised-inverse-propensity.ts';
import type { Terms } from './terms.ts';

/** Throws `evaluation.no-support` when the policy never chooses what was chosen. */
export const selfNormalisedDoublyRobust = (log: LoggedRounds, policy: PerAction, rewards: PerAction): Terms => {
  const weights = importanceWeights(log, policy);
  requireWeight(weights);
  return {
    direct: policyRewards(log.actions, policy, rewards),
    correction: weighResiduals(log, rewards, weights),
    normaliser: weights,
  };
};
