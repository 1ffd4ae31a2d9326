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

/**
 * Hall's interval (1992, "On the removal of skewness by transformation"): the t interval, moved for the skewness that large weights give to V̂.
 *
 *   V̂ − SE · g⁻¹(t_{1−α/2}) … V̂ − SE · g⁻¹(t_{α/2}),     g⁻¹(y) = 3/s · ((1 + s (y − s/6))^⅓ − 1),   s = skewness / √G
 *
 * with SE² = Σ_c (Σ_{i∈c} ψ_i)² / n² · G/(G − 1) over G clusters (each round its own unless told) and G − 1 degrees of freedom. Without skewness it is
 * V̂ ± t SE.
 */
export const asymptoticInterval = (terms: Terms, { level = DEFAULT_LEVEL, clusters = null }: IntervalOptions = {}): Interval => {
  checkLevel(level);
  const value = valueOf(terms);
  const { standardError, groups, skewness } = spreadOf(influenceOf(terms), clusters);
  if (groups < 2) return { method: 'asymptotic', value, low: -Infinity, high: Infinity, level };
  const t = studentQuantile((1 + level) / 2, groups - 1);
  const at = (y: number): number => value - standardError * unskewed(y, skewness / Math.sqrt(groups));
  return { method: 'asymptotic', value, low: at(t), high: at(-t), level };
};

const unskewed = (y: number, s: number): number => (Math.abs(s) < 1e-6 ? y : (3 / s) * (Math.cbrt(1 + s * (y - s / 6)) - 1));

export interface IntervalOptions {
  /** Two-sided; default 0.95. */
  readonly level?: number;
  /** Default: every round on its own. */
  readonly clusters?: Clusters | null;
}

const spreadOf = (influence: Float64Array, clusters: Clusters | null): { standardError: number; groups: number; skewness: number } => {
  const n = influence.length;
  const sums = clusters === null ? influence : sumByCluster(influence, clusters);
  const groups = sums.length;
  let [squares, cubes] = [0, 0];
  for (const sum of sums) {
    squares += sum * sum;
    cubes += sum ** 3;
  }
  return {
    standardError: Math.sqrt((squares * groups) / (groups - 1)) / n,
    groups,
    skewness: squares > 0 ? (cubes * Math.sqrt(groups)) / squares ** 1.5 : 0,
  };
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
