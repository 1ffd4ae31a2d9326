/**
 * An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, "Time-uniform central limit theory", theorem 2.2): the
 * counterpart in time of the normal interval. For DR and for rewards whose range nobody knows.
 *
 *   mean_t ± √( 2 (t ρ² σ² + 1) / (t² ρ²) · ln( √(t ρ² σ² + 1) / α ) )        with σ² the running variance
 *
 * Valid from `from` on, once normal intervals are; before it the interval is unbounded.
 */
import type { ConfidenceSequence } from './confidence-sequence.ts';

export interface AsymptoticSequenceOptions {
  readonly level?: number;
  /** The first round whose interval is told. Default 200. */
  readonly from?: number;
  /** Where the sequence is to be narrowest. Default: at `from` × 10. */
  readonly narrowestAt?: number;
}

/** @param rounds whose mean is the estimate (roundsOf, of an estimator that is a plain mean), in the order in which they came */
export const asymptoticSequence = (rounds: Float64Array, options: AsymptoticSequenceOptions = {}): ConfidenceSequence => {
  const { level = 0.95, from = 200, narrowestAt = from * 10 } = options;
  const alpha = 1 - level;
  const low = new Float64Array(rounds.length).fill(-Infinity);
  const high = new Float64Array(rounds.length).fill(Infinity);
  // ρ² σ² · narrowestAt of equation (62): −2 ln α + ln(−2 ln α + 1).
  const tuned = (-2 * Math.log(alpha) + Math.log(-2 * Math.log(alpha) + 1)) / narrowestAt;
  let [mean, squares] = [0, 0];
  for (let i = 0; i < rounds.length; i++) {
    const t = i + 1;
    const x = rounds[i]!;
    const step = x - mean;
    mean += step / t;
    squares += step * (x - mean);
    if (t < from) continue;
    const variance = squares / (t - 1);
    // With ρ² = tuned / σ²: σ comes out of the root.
    const grown = t * tuned + 1;
    const half = Math.sqrt(((2 * grown * variance) / (t * t * tuned)) * Math.log(Math.sqrt(grown) / alpha));
    low[i] = mean - half;
    high[i] = mean + half;
  }
  return { low, high, level };
};
