/** No probability below a floor: what replay by inverse propensity needs, since its weights are at most 1 / floor. */

/** p ← f + (1 − K f) p with f = min(floor, 1/K): the sum stays 1, and equal ones stay equal. In place. */
export const applyFloor = (probabilities: Float64Array, count: number, floor: number): Float64Array => {
  if (!(floor > 0)) return probabilities;
  if (floor * count >= 1) return probabilities.fill(1 / count, 0, count);
  const rest = 1 - count * floor;
  for (let i = 0; i < count; i++) probabilities[i] = floor + rest * probabilities[i]!;
  return probabilities;
};
