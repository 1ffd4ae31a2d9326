/** IPS: V̂ = mean(w r) (Horvitz & Thompson 1952). Unbiased where the log has support; its variance grows with the weights. */
import { importanceWeights, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import type { Terms } from './terms.ts';

export const inversePropensity = (log: LoggedRounds, policy: PerAction): Terms => ({
  direct: null,
  correction: importanceWeights(log, policy).map((w, i) => w * log.reward[i]!),
  normaliser: null,
});
