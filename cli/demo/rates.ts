/** What the live line is made of: quantiles of latency, and the difference of two acceptance rates with its interval. */

export interface Acceptance {
  readonly successes: number;
  readonly trials: number;
}

/**
 * The 95 % interval of a − b: Wald's, after one success and one failure more on each side (Agresti and Caffo 2000), which holds for
 * small samples too. Takes decisions as independent; lift by customer-month is the warehouse's business.
 */
export const differenceOfProportions = (a: Acceptance, b: Acceptance): { readonly low: number; readonly high: number } => {
  const pa = (a.successes + 1) / (a.trials + 2);
  const pb = (b.successes + 1) / (b.trials + 2);
  const half = 1.96 * Math.sqrt((pa * (1 - pa)) / (a.trials + 2) + (pb * (1 - pb)) / (b.trials + 2));
  return { low: pa - pb - half, high: pa - pb + half };
};

/** Latencies of the last `size` answers. */
export const createLatencies = (size: number): { add(ms: number): void; quantile(share: number): number } => {
  const ring = new Float64Array(size);
  let count = 0;
  return {
    add(ms) {
      ring[count++ % size] = ms;
    },
    quantile(share) {
      const sorted = ring.slice(0, Math.min(count, size)).toSorted();
      return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    },
  };
};
