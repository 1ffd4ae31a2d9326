/** How far predicted rates are from what happened: expected calibration error over bins of equal size (Naeini, Cooper & Hauskrecht 2015). */

export interface CalibrationSum {
  add(predicted: number, happened: number): void;
  readonly count: number;
  /** In [0, 1]; 0 of nothing. */
  error(): number;
}

const BINS = 10;

export const createCalibrationError = (): CalibrationSum => {
  const pairs: [predicted: number, happened: number][] = [];
  return {
    add: (predicted, happened) => void pairs.push([predicted, happened]),
    get count() {
      return pairs.length;
    },
    error() {
      const sorted = pairs.toSorted((a, b) => a[0] - b[0]);
      let total = 0;
      for (let bin = 0; bin < BINS; bin++) {
        const from = Math.floor((bin * sorted.length) / BINS);
        const to = Math.floor(((bin + 1) * sorted.length) / BINS);
        let gap = 0;
        for (let i = from; i < to; i++) gap += sorted[i]![0] - sorted[i]![1];
        total += Math.abs(gap);
      }
      return sorted.length === 0 ? 0 : total / sorted.length;
    },
  };
};
