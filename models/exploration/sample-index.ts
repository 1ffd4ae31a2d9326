/** Draws from a distribution by a uniform number that is given: the same numbers, the same choice. */

/** @param uniform in [0, 1). Rounding never selects an action of probability 0. -1 when all are 0. */
export const sampleIndex = (probabilities: ArrayLike<number>, count: number, uniform: number): number => {
  let sum = 0;
  let last = -1;
  for (let i = 0; i < count; i++) {
    const p = probabilities[i]!;
    if (!(p > 0)) continue;
    sum += p;
    last = i;
    if (uniform < sum) return i;
  }
  return last;
};
