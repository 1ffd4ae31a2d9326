/** The two ends between which every exploration lies; same shape, same laws. */

export const uniform = (count: number, out: Float64Array): Float64Array => out.fill(1 / count, 0, count);

/** The best share everything: ties are symmetric. */
export const greedy = (scores: ArrayLike<number>, count: number, out: Float64Array): Float64Array => {
  let best = -Infinity;
  let tied = 0;
  for (let i = 0; i < count; i++) {
    if (scores[i]! > best) {
      best = scores[i]!;
      tied = 1;
    } else if (best === scores[i]) tied++;
  }
  if (tied === 0) return uniform(count, out);
  for (let i = 0; i < count; i++) out[i] = best === scores[i] ? 1 / tied : 0;
  return out;
};
