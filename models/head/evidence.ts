/** Ridges by empirical Bayes: how far weights of one kind lie from 0 says how far the next one may (MacKay 1992, the evidence framework). */

interface Evidence {
  /** Σ w² over the weights of one kind. */
  readonly squares: number;
  /** Σ (1 − λ Σ_ii): how many of them the data, not the prior, have decided. */
  readonly decided: number;
}

/** The prior ridge counts as much as this many decided weights. */
const PRIOR_WEIGHTS = 2;

/** λ = σ² (decided + n₀) / (squares + n₀ σ²/λ₀); the ridge is σ²/τ², in units of A. */
export const ridgeOf = ({ squares, decided }: Evidence, noise: number, prior: number): number =>
  (noise * (decided + PRIOR_WEIGHTS)) / (squares + (PRIOR_WEIGHTS * noise) / prior);
