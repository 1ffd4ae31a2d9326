/**
 * The one form that all estimators share, so that every interval serves every estimator:
 *
 *   V̂ = mean(direct) + mean(correction) / mean(normaliser)
 *
 * with influence ψ_i = (direct_i − mean direct) + (correction_i − C · normaliser_i) / mean(normaliser), C = mean correction / mean normaliser
 * (the delta method; Owen, "Monte Carlo theory", §9.2). A normaliser that is null is 1: then V̂ is a plain mean.
 */
export interface Terms {
  /** n: what a model of the reward says; null is 0. */
  readonly direct: Float64Array | null;
  /** n: what the logged rewards add; null is 0. */
  readonly correction: Float64Array | null;
  /** n: importance weights, mean about 1; null is exactly 1. */
  readonly normaliser: Float64Array | null;
}

export const valueOf = ({ direct, correction, normaliser }: Terms): number =>
  meanOf(direct) + (correction === null ? 0 : meanOf(correction) / (normaliser === null ? 1 : meanOf(normaliser)));

/** n values whose mean is V̂, as the Open Bandit Pipeline calls them round-wise. */
export const roundsOf = ({ direct, correction, normaliser }: Terms): Float64Array => {
  const scale = normaliser === null ? 1 : meanOf(normaliser);
  const n = (direct ?? correction)!.length;
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) out[i] = (direct?.[i] ?? 0) + (correction?.[i] ?? 0) / scale;
  return out;
};

/** n values of mean 0: V̂ − V ≈ mean ψ, so Var V̂ ≈ Σ ψ² / n². */
export const influenceOf = (terms: Terms): Float64Array => {
  const { direct, correction, normaliser } = terms;
  const scale = normaliser === null ? 1 : meanOf(normaliser);
  const corrected = correction === null ? 0 : meanOf(correction) / scale;
  const out = roundsOf(terms);
  const mean = meanOf(direct);
  for (let i = 0; i < out.length; i++) out[i]! -= mean + corrected * (normaliser === null ? 1 : normaliser[i]! / scale);
  return out;
};

export const meanOf = (values: ArrayLike<number> | null): number => {
  if (values === null) return 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
};

/** A self-normalised estimator where no weight is above 0 has nothing to say: NaN is refused by name instead. */
export const hasWeight = (weights: Float64Array): boolean => weights.some((w) => w > 0);
