/** How good predicted probabilities were, once the truth is known. */

export interface Scored {
  readonly predicted: number;
  readonly truth: boolean;
}

/** Area under the ROC curve by ranks; ties count half (Mann and Whitney 1947). NaN without both classes. */
export const areaUnderCurve = (rows: readonly Scored[]): number => {
  const sorted = rows.toSorted((a, b) => a.predicted - b.predicted);
  let positives = 0;
  let rankSum = 0;
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (end < sorted.length && sorted[end]!.predicted === sorted[i]!.predicted) end++;
    for (let j = i; j < end; j++) {
      if (!sorted[j]!.truth) continue;
      positives++;
      rankSum += (i + end + 1) / 2;
    }
    i = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (sorted.length - positives));
};

/** Mean negative log-likelihood, nats. */
export const logLoss = (rows: readonly Scored[]): number => {
  const clip = (p: number): number => Math.min(1 - 1e-6, Math.max(1e-6, p));
  return rows.reduce((sum, { predicted, truth }) => sum - Math.log(clip(truth ? predicted : 1 - predicted)), 0) / rows.length;
};

export interface CalibrationBin {
  readonly rows: number;
  readonly predicted: number;
  readonly observed: number;
}

/** Ten bins of equal size, from the lowest predictions to the highest. */
export const calibration = (rows: readonly Scored[], count = 10): readonly CalibrationBin[] => {
  const sorted = rows.toSorted((a, b) => a.predicted - b.predicted);
  return Array.from({ length: count }, (_, i) => {
    const bin = sorted.slice(Math.floor((i * sorted.length) / count), Math.floor(((i + 1) * sorted.length) / count));
    return {
      rows: bin.length,
      predicted: bin.reduce((sum, { predicted }) => sum + predicted, 0) / bin.length,
      observed: bin.filter(({ truth }) => truth).length / bin.length,
    };
  });
};

/** Expected calibration error over those bins. */
export const calibrationError = (bins: readonly CalibrationBin[]): number => {
  const total = bins.reduce((sum, { rows }) => sum + rows, 0);
  return bins.reduce((sum, { rows, predicted, observed }) => sum + (rows / total) * Math.abs(predicted - observed), 0);
};
