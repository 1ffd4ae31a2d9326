/** SNIPS: V̂ = Σ w r / Σ w (Swaminathan & Joachims 2015). Biased by O(1/n), of less variance, and never outside the rewards seen. */
import { AttuneError } from '#contracts';
import { importanceWeights, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import { hasWeight, type Terms } from './terms.ts';

/** Throws `evaluation.no-support` when the policy never chooses what was chosen. */
export const selfNormalisedInversePropensity = (log: LoggedRounds, policy: PerAction): Terms => {
  const weights = importanceWeights(log, policy);
  requireWeight(weights);
  return { direct: null, correction: weights.map((w, i) => w * log.reward[i]!), normaliser: weights };
};

export const requireWeight = (weights: Float64Array): void => {
  if (!hasWeight(weights))
    throw new AttuneError(
      'evaluation.no-support',
      `the policy gives probability 0 to each of the ${weights.length} logged choices: the log says nothing of it`,
    );
};
