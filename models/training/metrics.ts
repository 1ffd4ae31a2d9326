/** How good predicted rates are against what came true: log-loss, AUC, expected calibration error, gains. */

export interface Prediction {
  /** Predicted rate, or reward. */
  readonly predicted: number;
  /** 0 or 1, or the reward. */
  readonly outcome: number;
}

const SMALLEST = 1e-6;

/** Mean −log P(outcome), in nats; a rate is taken to lie within [1e-6, 1 − 1e-6]. NaN of nothing. */
export const logLoss = (rows: readonly Prediction[]): number =>
  rows.reduce((sum, { predicted, outcome }) => {
    const p = Math.min(1 - SMALLEST, Math.max(SMALLEST, predicted));
    return sum - outcome * Math.log(p) - (1 - outcome) * Math.log(1 - p);
  }, 0) / rows.length;

export const squaredError = (rows: readonly Prediction[]): number =>
  rows.reduce((sum, { predicted, outcome }) => sum + (predicted - outcome) ** 2, 0) / rows.length;

/** P(a positive is ranked above a negative), ties half (Mann–Whitney). NaN where one of the two is missing. */
export const areaUnderCurve = (rows: readonly Prediction[]): number => {
  const sorted = rows.toSorted((a, b) => a.predicted - b.predicted);
  let positives = 0;
  let ranks = 0;
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (end < sorted.length && sorted[end]!.predicted === sorted[i]!.predicted) end++;
    for (let k = i; k < end; k++) {
      if (sorted[k]!.outcome <= 0) continue;
      positives++;
      ranks += (i + 1 + end) / 2;
    }
    i = end;
  }
  const negatives = rows.length - positives;
  return positives === 0 || negatives === 0 ? NaN : (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
};

export interface CalibrationBin {
  readonly predicted: number;
  readonly observed: number;
  readonly rows: number;
}

/** Bins of equally many rows, lowest predictions first. */
export const calibrationBins = (rows: readonly Prediction[], bins = 10): readonly CalibrationBin[] => {
  const sorted = rows.toSorted((a, b) => a.predicted - b.predicted);
  const count = Math.min(bins, rows.length);
  return Array.from({ length: count }, (_, i) => {
    const bin = sorted.slice(Math.floor((i * rows.length) / count), Math.floor(((i + 1) * rows.length) / count));
    const mean = (of: (row: Prediction) => number): number => bin.reduce((sum, row) => sum + of(row), 0) / bin.length;
    return { predicted: mean((row) => row.predicted), observed: mean((row) => row.outcome), rows: bin.length };
  });
};

/** Σ rows · |observed − predicted| / Σ rows over `calibrationBins` (Naeini et al. 2015, with bins of equal mass). */
export const calibrationError = (rows: readonly Prediction[]): number =>
  calibrationBins(rows).reduce((sum, bin) => sum + bin.rows * Math.abs(bin.observed - bin.predicted), 0) / rows.length;

/** Share of all positives among the best-ranked share of rows; from (0, 0) to (1, 1) in `steps`. */
export const cumulativeGains = (
  rows: readonly Prediction[],
  steps = 20,
): readonly { readonly share: number; readonly gained: number }[] => {
  const sorted = rows.toSorted((a, b) => b.predicted - a.predicted);
  const total = sorted.reduce((sum, { outcome }) => sum + outcome, 0);
  let at = 0;
  let gained = 0;
  return Array.from({ length: steps + 1 }, (_, i) => {
    for (const end = Math.round((i * rows.length) / steps); at < end; at++) gained += sorted[at]!.outcome;
    return { share: i / steps, gained: total === 0 ? 0 : gained / total };
  });
};

/**
 * Population stability index of one input between two samples, over the deciles of the first: Σ (q − p) ln(q / p). Under 0.1 is calm, above
 * 0.25 the input has moved.
 */
export const stabilityIndex = (before: Float32Array, after: Float32Array): number => {
  const sorted = before.toSorted();
  const edges = Array.from({ length: 9 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / 10)]!).filter(
    (edge, i, all) => i === 0 || edge > all[i - 1]!,
  );
  const shares = (values: Float32Array): number[] => {
    const counts = new Array<number>(edges.length + 1).fill(0);
    for (const value of values) {
      let bin = 0;
      while (bin < edges.length && value >= edges[bin]!) bin++;
      counts[bin]!++;
    }
    return counts.map((count) => (count + 0.5) / (values.length + 0.5 * counts.length));
  };
  const [p, q] = [shares(before), shares(after)];
  return p.reduce((sum, share, i) => sum + (q[i]! - share) * Math.log(q[i]! / share), 0);
};
