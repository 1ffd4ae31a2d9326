/** What the head does not know: the posterior variance of an action's score, sketched so that a snapshot can carry it and a decision afford it. */
import type { SparseRow } from './sparse-row.ts';

/**
 * The posterior of an action's own weights is N(w, σ² (A/g + Λ)⁻¹) (Bishop 2006, eq. 3.50–3.51; on a trained trunk's features this is the
 * neural-linear model of Riquelme, Tucker & Snoek 2018). In whitened features φ̃ = Λ^-½ φ the variance of its score is
 *
 *   σ² φ̃ᵀ (S + I)⁻¹ φ̃,   S = Λ^-½ (A/g) Λ^-½.
 *
 * Most of what sets customers apart lies in a few directions that all actions have in common: the first `VARIANCE_RANK` eigenvectors U of the sum over
 * actions. There an action keeps (UᵀSU + I)⁻¹ whole, so that one that was never shown to a sort of customer knows it; and one mean for all that is
 * left. Of the shared part only the entries that tell actions apart count (what is common to all shifts all alike), by A's diagonal.
 *
 * A snapshot grows by (RANK + 1) · dims + (RANK (RANK + 1) / 2 + 1) · actions + psiDims floats; a publication costs O(RANK · dims²) an action, a decision
 * O(RANK · dims) and O(RANK²) an action. What that comes to: `npm run bench:exploration`.
 */
export const VARIANCE_RANK = 12;
const SWEEPS = 4;
/** Of the packed lower triangle, and of it with the mean of the rest. */
const TRIANGLE = (VARIANCE_RANK * (VARIANCE_RANK + 1)) / 2;
const WIDTH = TRIANGLE + 1;

export interface Posterior {
  readonly dims: number;
  /** Each action's A: packed lower triangle by rows. */
  readonly owns: readonly { readonly a: Float64Array }[];
  /** Λ, one entry a dimension, in units of today's weight. */
  readonly ownRidges: ArrayLike<number>;
  /** Today's weight of a new example. */
  readonly today: number;
  readonly shared: { readonly dims: number; readonly met: readonly number[]; diagonal(i: number): number };
  /** Of a place in ψ. */
  readonly sharedRidgeOf: (place: number) => number;
  readonly sharedToday: number;
  /** σ², in units of the score. */
  readonly noise: number;
}

export type VarianceArrays = Readonly<Record<'sharedVariances' | 'whitening' | 'directions' | 'shrinkage', Float32Array>>;

/** What a snapshot carries beside its means. */
export const sketchVariances = (posterior: Posterior): VarianceArrays => {
  const { dims, owns, ownRidges, today, shared, sharedRidgeOf, sharedToday, noise } = posterior;
  const sharedVariances = Float32Array.from({ length: shared.dims }, (_, place) => noise / sharedRidgeOf(place));
  shared.met.forEach((place, i) => (sharedVariances[place] = noise / (shared.diagonal(i) / sharedToday + sharedRidgeOf(place))));
  const scales = Float64Array.from({ length: dims }, (_, i) => 1 / Math.sqrt(ownRidges[i]!));
  const basis = principalDirections(owns, dims, scales);
  const shrinkage = new Float32Array(WIDTH * (owns.length + 1));
  for (let j = 0; j < VARIANCE_RANK; j++) shrinkage[(j * (j + 3)) / 2] = 1;
  shrinkage[TRIANGLE] = 1;
  const scaled = new Float64Array(dims * VARIANCE_RANK);
  for (let i = 0; i < dims; i++) for (let j = 0; j < VARIANCE_RANK; j++) scaled[i * VARIANCE_RANK + j] = basis[j * dims + i]! * scales[i]!;
  owns.forEach(({ a }, k) => {
    const precision = project(a, dims, scaled);
    let rest = 0;
    for (let i = 0; i < dims; i++) rest += a[(i * (i + 3)) / 2]! * scales[i]! * scales[i]!;
    for (let j = 0; j < VARIANCE_RANK; j++) rest -= precision[j * VARIANCE_RANK + j]!;
    for (let at = 0; at < precision.length; at++) precision[at]! /= today;
    for (let j = 0; j < VARIANCE_RANK; j++) precision[j * VARIANCE_RANK + j]! += 1;
    shrinkage.set(inverseTriangle(precision), WIDTH * (k + 1));
    shrinkage[WIDTH * (k + 1) + TRIANGLE] = 1 / (1 + Math.max(0, rest) / today / Math.max(1, dims - VARIANCE_RANK));
  });
  const root = Math.sqrt(noise);
  return {
    sharedVariances,
    whitening: Float32Array.from(scales, (scale) => noise * scale * scale),
    directions: Float32Array.from(basis, (u, at) => u * scales[at % dims]! * root),
    shrinkage,
  };
};

/** Of Σ_a Λ^-½ A_a Λ^-½: orthonormal rows, by orthogonal iteration from fixed vectors, so that the same statistics give the same bits. */
const principalDirections = (owns: Posterior['owns'], dims: number, scales: Float64Array): Float64Array => {
  const pooled = new Float64Array((dims * (dims + 1)) / 2);
  for (const { a } of owns) for (let i = 0; i < pooled.length; i++) pooled[i]! += a[i]!;
  for (let i = 0, at = 0; i < dims; i++) for (let j = 0; j <= i; j++) pooled[at++]! *= scales[i]! * scales[j]!;
  const rows = Array.from({ length: VARIANCE_RANK }, (_, j) =>
    Float64Array.from({ length: dims }, (__, i) => ((i * 7919 + j * 104_729 + 13) % 1_009) / 1_009 - 0.5),
  );
  orthonormalise(rows, dims);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const row of rows) row.set(times(pooled, dims, row));
    orthonormalise(rows, dims);
  }
  const out = new Float64Array(VARIANCE_RANK * dims);
  rows.forEach((row, j) => out.set(row, j * dims));
  return out;
};

/** Gram–Schmidt; a row without a direction of its own becomes 0. */
const orthonormalise = (rows: readonly Float64Array[], dims: number): void => {
  rows.forEach((row, j) => {
    let before = 0;
    for (let i = 0; i < dims; i++) before += row[i]! * row[i]!;
    for (let twice = 0; twice < 2; twice++)
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (let i = 0; i < dims; i++) dot += row[i]! * rows[k]![i]!;
        for (let i = 0; i < dims; i++) row[i]! -= dot * rows[k]![i]!;
      }
    let norm = 0;
    for (let i = 0; i < dims; i++) norm += row[i]! * row[i]!;
    const scale = norm > 1e-20 * before && norm > 0 ? 1 / Math.sqrt(norm) : 0;
    for (let i = 0; i < dims; i++) row[i]! *= scale;
  });
};

/** A v, A a packed lower triangle. */
const times = (a: Float64Array, dims: number, v: Float64Array): Float64Array => {
  const out = new Float64Array(dims);
  for (let i = 0, at = 0; i < dims; i++) {
    let sum = 0;
    for (let j = 0; j < i; j++, at++) {
      sum += a[at]! * v[j]!;
      out[j]! += a[at]! * v[i]!;
    }
    out[i]! += sum + a[at++]! * v[i]!;
  }
  return out;
};

/** Vᵀ A V, A a packed lower triangle, V by rows of VARIANCE_RANK. */
const project = (a: Float64Array, dims: number, v: Float64Array): Float64Array => {
  const r = VARIANCE_RANK;
  const av = new Float64Array(dims * r);
  for (let i = 0, at = 0; i < dims; i++) {
    for (let j = 0; j < i; j++, at++) {
      const e = a[at]!;
      if (e === 0) continue;
      for (let k = 0; k < r; k++) {
        av[i * r + k]! += e * v[j * r + k]!;
        av[j * r + k]! += e * v[i * r + k]!;
      }
    }
    const diagonal = a[at++]!;
    for (let k = 0; k < r; k++) av[i * r + k]! += diagonal * v[i * r + k]!;
  }
  const out = new Float64Array(r * r);
  for (let i = 0; i < dims; i++)
    for (let k = 0; k < r; k++) {
      const f = v[i * r + k]!;
      for (let l = 0; l <= k; l++) out[k * r + l]! += f * av[i * r + l]!;
    }
  for (let k = 0; k < r; k++) for (let l = k + 1; l < r; l++) out[k * r + l] = out[l * r + k]!;
  return out;
};

/** The inverse of a positive definite matrix by Cholesky's factor, as a packed lower triangle whose entries off the diagonal count twice. */
const inverseTriangle = (m: Float64Array): Float64Array => {
  const r = VARIANCE_RANK;
  const factor = new Float64Array(r * r);
  for (let i = 0; i < r; i++)
    for (let j = 0; j <= i; j++) {
      let sum = m[i * r + j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * r + k]! * factor[j * r + k]!;
      factor[i * r + j] = i === j ? Math.sqrt(Math.max(sum, 1)) : sum / factor[j * r + j]!;
    }
  const inverse = new Float64Array(r * r);
  for (let column = 0; column < r; column++)
    for (let i = column; i < r; i++) {
      let sum = i === column ? 1 : 0;
      for (let k = column; k < i; k++) sum -= factor[i * r + k]! * inverse[k * r + column]!;
      inverse[i * r + column] = sum / factor[i * r + i]!;
    }
  const out = new Float64Array(TRIANGLE);
  for (let i = 0, at = 0; i < r; i++)
    for (let j = 0; j <= i; j++, at++) {
      let sum = 0;
      for (let k = i; k < r; k++) sum += inverse[k * r + i]! * inverse[k * r + j]!;
      out[at] = i === j ? sum : 2 * sum;
    }
  return out;
};

export interface Variances {
  /** Once a decision. */
  moment(phi: ArrayLike<number>): void;
  /** Of an action's score at that moment. @param row as in `heads`; 0 has no data */
  of(row: number, part: { readonly index: Int32Array; readonly value: Float64Array }, pair: SparseRow): number;
}

/** Null: the snapshot carries none. */
export const openVariances = (arrays: Readonly<Record<string, unknown>>): Variances | null => {
  const { sharedVariances, whitening, directions, shrinkage } = arrays as Partial<VarianceArrays>;
  if (sharedVariances === undefined || whitening === undefined || directions === undefined || shrinkage === undefined) return null;
  const dims = whitening.length;
  const along = new Float64Array(VARIANCE_RANK);
  const products = new Float64Array(TRIANGLE);
  let rest = 0;
  return {
    moment(phi) {
      rest = 0;
      for (let i = 0; i < dims; i++) rest += phi[i]! * phi[i]! * whitening[i]!;
      for (let j = 0; j < VARIANCE_RANK; j++) {
        let dot = 0;
        const at = j * dims;
        for (let i = 0; i < dims; i++) dot += phi[i]! * directions[at + i]!;
        along[j] = dot;
        rest -= dot * dot;
      }
      if (rest < 0) rest = 0;
      for (let i = 0, at = 0; i < VARIANCE_RANK; i++) for (let j = 0; j <= i; j++) products[at++] = along[i]! * along[j]!;
    },
    of(row, { index, value }, pair) {
      const at = row * WIDTH;
      let variance = rest * shrinkage[at + TRIANGLE]!;
      for (let k = 0; k < TRIANGLE; k++) variance += products[k]! * shrinkage[at + k]!;
      if (variance < 0) variance = 0;
      for (let k = 0; k < index.length; k++) variance += value[k]! * value[k]! * sharedVariances[index[k]!]!;
      for (let k = 0; k < pair.count; k++) variance += pair.value[k]! * pair.value[k]! * sharedVariances[pair.index[k]!]!;
      return variance;
    },
  };
};

/** σ² of real-valued rewards, from the errors of predictions made before each outcome; forgets as the learner does. */
export class ResidualVariance {
  weight = 0;
  squares = 0;

  /** @param g the example's weight */
  learn(g: number, residual: number): void {
    this.weight += g;
    this.squares += g * residual * residual;
  }

  /** 1 before any. */
  get variance(): number {
    return this.weight > 0 && this.squares > 0 ? this.squares / this.weight : 1;
  }

  scale(factor: number): void {
    this.weight *= factor;
    this.squares *= factor;
  }
}
