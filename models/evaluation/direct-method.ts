/** DM: V̂ = mean(q̂(x, π_e)) (Beygelzimer & Langford 2009). As biased as the model of the reward is; needs no logging probability. */
import { policyRewards, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import type { Terms } from './terms.ts';

export const directMethod = (log: LoggedRounds, policy: PerAction, rewards: PerAction): Terms => ({
  direct: policyRewards(log.actions, policy, rewards),
  correction: null,
  normaliser: null,
});
