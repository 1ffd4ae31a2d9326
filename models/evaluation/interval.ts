/** The shape of every interval, and the interval that large samples allow: Student's t on the influence values. */
import { AttuneError } from '#contracts';
import { studentQuantile } from './student-quantile.ts';
import { influenceOf, valueOf, type Terms } from './terms.ts';

export interface Interval {
  readonly method: 'asymptotic' | 'bootstrap' | 'empiricalBernstein';
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Two-sided, such as 0.95. */
  readonly level: number;
}

export const DEFAULT_LEVEL = 0.95;

/** n: rounds of the same number belong together (decisions of one customer) and count as one observation. Numbers from 0, every one used. */
export type Clusters = Int32Array;

/** V̂ ± t SE, with SE² = Σ_c (Σ_{i∈c} ψ_i)² / n² · G/(G − 1) over G clusters (each round its own unless told), and G − 1 degrees of freedom. */
export const asymptoticInterval = (terms: Terms, { level = DEFAULT_LEVEL, clusters = null }: IntervalOptions = {}): Interval => {
  const { standardError, groups } = spreadOf(influenceOf(terms), clusters);
  const value = valueOf(terms);
  const half = groups < 2 ? Infinity : studentQuantile((1 + checkLevel(level)) / 2, groups - 1) * standardError;
  return { method: 'asymptotic', value, low: value - half, high: value + half, level };
};

export interface IntervalOptions {
  /** Two-sided; default 0.95. */
  readonly level?: number;
  /** Default: every round on its own. */
  readonly clusters?: Clusters | null;
}

export const spreadOf = (influence: Float64Array, clusters: Clusters | null = null): { standardError: number; groups: number } => {
  const n = influence.length;
  const sums = clusters === null ? influence : sumByCluster(influence, clusters);
  const groups = sums.length;
  let squares = 0;
  for (const sum of sums) squares += sum * sum;
  return { standardError: groups < 2 ? Infinity : Math.sqrt((squares * groups) / (groups - 1)) / n, groups };
};

export const sumByCluster = (values: Float64Array, clusters: Clusters): Float64Array => {
  if (clusters.length !== values.length)
    throw new AttuneError('evaluation.invalid', `clusters has ${clusters.length} entries, and there are ${values.length} rounds`);
  let last = -1;
  for (const cluster of clusters) last = Math.max(last, cluster);
  const sums = new Float64Array(last + 1);
  values.forEach((value, i) => (sums[clusters[i]!]! += value));
  return sums;
};

/** Throws `evaluation.invalid`. */
export const checkLevel = (level: number): number => {
  if (!(level > 0 && level < 1)) throw new AttuneError('evaluation.invalid', `level must lie between 0 and 1, such as 0.95, not ${level}`);
  return level;
};
