/** How far predicted rates are from what came true, and how far a perfectly calibrated model would seem to be by chance alone. */
import { AttuneError } from '#contracts';

export interface CalibrationError {
  readonly rows: number;
  /** Expected calibration error over bins of equal size (Naeini, Cooper & Hauskrecht 2015): mean |predicted − observed|. */
  readonly error: number;
  /** What `error` would be on average were every prediction the true rate: it shrinks with the rows, never to 0. */
  readonly chance: number;
  readonly bins: readonly { readonly rows: number; readonly predicted: number; readonly observed: number }[];
}

/** @param predicted P(accepted | shown) of each row @param target what came true, 0 to 1. Throws `evaluation.no-data`. */
export const calibrationErrorOf = (predicted: ArrayLike<number>, target: ArrayLike<number>, bins = 10): CalibrationError => {
  const n = predicted.length;
  if (n === 0) throw new AttuneError('evaluation.no-data', 'there are no rows to measure calibration on');
  const order = Int32Array.from({ length: n }, (_, i) => i).toSorted((a, b) => predicted[a]! - predicted[b]!);
  const count = Math.min(bins, n);
  const found = Array.from({ length: count }, (_, bin) => {
    const rows = order.subarray(Math.floor((bin * n) / count), Math.floor(((bin + 1) * n) / count));
    let [p, y, variance] = [0, 0, 0];
    for (const row of rows) {
      p += predicted[row]!;
      y += target[row]!;
      variance += Math.max(0, predicted[row]! * (1 - predicted[row]!));
    }
    return { rows: rows.length, predicted: p / rows.length, observed: y / rows.length, deviation: Math.sqrt(variance) / rows.length };
  });
  const mean = (of: (bin: (typeof found)[number]) => number): number => found.reduce((sum, bin) => sum + (bin.rows / n) * of(bin), 0);
  return {
    rows: n,
    error: mean((bin) => Math.abs(bin.predicted - bin.observed)),
    // E|N(0, s²)| = s √(2/π).
    chance: mean((bin) => bin.deviation * Math.sqrt(2 / Math.PI)),
    bins: found.map(({ rows, predicted, observed }) => ({ rows, predicted, observed })),
  };
};
