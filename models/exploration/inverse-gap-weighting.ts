/**
 * Inverse-gap weighting (SquareCB: Foster & Rakhlin 2020, "Beyond UCB"): exact probabilities from means alone.
 *
 *   p(a) = 1 / (K + γ_a (s* - s_a))   for a below the best;   the best share what is left.
 *
 * Each term is at most 1/K, so the best keep at least 1/K each: p(a) ≥ 1 / (K + γ_a), and the sum is 1. With γ_a of each action's own
 * effective sample size, a young action is drawn often although the others are settled.
 */

/**
 * @param scores on [0, 1], as scalePriorities gives them
 * @param gammas one an action, ≥ 0; Infinity is never explored unless it is best; NaN counts as 0
 * @param out at least `count` long; the first `count` entries are written
 */
export const inverseGapWeighting = (
  scores: ArrayLike<number>,
  gammas: ArrayLike<number>,
  count: number,
  out: Float64Array,
): Float64Array => {
  let best = -Infinity;
  for (let i = 0; i < count; i++) if (scores[i]! > best) best = scores[i]!;
  let left = 1;
  let tied = 0;
  for (let i = 0; i < count; i++) {
    const gap = best - scores[i]!;
    if (gap === 0) tied++;
    else {
      const weight = gammas[i]! * gap;
      const p = 1 / (count + (weight > 0 ? weight : 0));
      out[i] = p;
      left -= p;
    }
  }
  if (tied === 0) return out.fill(1 / count, 0, count);
  const share = left / tied;
  for (let i = 0; i < count; i++) if (best === scores[i]) out[i] = share;
  return out;
};
