/** Priorities on one scale per decision: 1 is the best, 0 is worth nothing (or the worst, when something is below nothing). */

/**
 * s = (p - lo) / (hi - lo) with lo = min(0, lowest) and hi = highest, so that a gap is relative to the best priority and two
 * nearly equal actions stay nearly equal. All 1 when nothing separates them; what is not a number counts as lowest.
 * @param out may be `priorities` itself
 */
export const scalePriorities = (priorities: ArrayLike<number>, count: number, out: Float64Array): Float64Array => {
  let lo = 0;
  let hi = -Infinity;
  for (let i = 0; i < count; i++) {
    const p = clamp(priorities[i]!);
    if (p < lo) lo = p;
    if (p > hi) hi = p;
  }
  const span = hi - lo;
  for (let i = 0; i < count; i++) {
    const value = priorities[i]!;
    if (!(span > 0)) out[i] = 1;
    else out[i] = Number.isNaN(value) ? 0 : (clamp(value) - lo) / span;
  }
  return out;
};

const LIMIT = 1e300;
const clamp = (p: number): number => (p > LIMIT ? LIMIT : p < -LIMIT ? -LIMIT : p);
