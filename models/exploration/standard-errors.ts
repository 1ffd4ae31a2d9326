/** The standard error of a mean from counts alone: for models whose snapshots carry no variances, and where there is no model. */

/**
 * √(spread² / (n + 1)): of a rate, spread² = p (1 − p) (the posterior of a Bernoulli rate by its normal approximation, one observation of
 * prior); of a reward on any scale, `spread` is what the decision's means span at most.
 * @param spread null: the mean is a rate
 */
export const errorFromCounts = (mean: number, effectiveN: number, spread: number | null): number => {
  const n = effectiveN > 0 ? effectiveN : 0;
  const p = mean < LEAST_RATE ? LEAST_RATE : mean > 1 - LEAST_RATE ? 1 - LEAST_RATE : mean;
  return spread === null ? Math.sqrt((p * (1 - p)) / (n + 1)) : spread / Math.sqrt(n + 1);
};

/** A mean of 0 or 1 is an estimate, too. */
const LEAST_RATE = 1e-3;
