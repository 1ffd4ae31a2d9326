/** One candidate's statistics over φ: a ridge at several strengths, and a sketch of its posterior's covariance. */
import { conjugateGradient } from '../head/conjugate-gradient.ts';

/** Fourier features that the sketch sees, besides a constant. */
export const SKETCH = 32;
export const SKETCH_DIMS = SKETCH + 1;
const SKETCH_RIDGE = 0.1;

/** The strengths that are tried side by side on the same statistics; which one predicts is found by progressive validation. */
export const RIDGES = [0.03, 0.2, 1.2] as const;
/** Of the constant and of x; they stand for far fewer functions than the Fourier features do. */
const CONSTANT_RIDGE = 1;
const X_RIDGE = 11;

export interface Places {
  /** x stands first in φ. */
  readonly xDims: number;
  readonly outputs: number;
  /** φ's length, padding included. */
  readonly stride: number;
}

/**
 *   (A + g Λ) w = b − m f,   A = Σ g φφᵀ,   b = Σ g φ y,   f = Σ g φ = A's first column, since φ[0] = 1
 *
 * with m the mean of all rewards: what is learned is how far this candidate lies from it. O(d²/2) a row of learning; A in float64, packed.
 */
export class ArmPart {
  readonly dims: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
  /** One solution a ridge. */
  readonly means: readonly Float64Array[];
  readonly sketch: Float64Array;
  /** Σ g. */
  weight = 0;
  /** Σ g e², with e the error made before the row was learned. */
  squares = 0;
  /** Something was learned since the last solution. */
  stale = false;
  /** Rows that are not in A yet: four at once cost little more than one, for A is far larger than a cache. */
  readonly #pending: Float64Array[] = [];
  readonly #weights = new Float64Array(BLOCK);
  #waiting = 0;

  constructor(dims: number) {
    this.dims = dims;
    this.a = new Float64Array((dims * (dims + 1)) / 2);
    this.b = new Float64Array(dims);
    this.means = RIDGES.map(() => new Float64Array(dims));
    this.sketch = new Float64Array((SKETCH_DIMS * (SKETCH_DIMS + 1)) / 2);
  }

  learn(phi: Float64Array, u: Float64Array, g: number, target: number): void {
    (this.#pending[this.#waiting] ??= new Float64Array(this.dims)).set(phi);
    this.#weights[this.#waiting++] = g;
    if (this.#waiting === BLOCK) this.flush();
    addOuter(this.sketch, u, SKETCH_DIMS, g);
    this.correct(phi, g * target);
    this.weight += g;
  }

  /** A is whole afterwards. */
  flush(): void {
    if (this.#waiting === BLOCK) addFour(this.a, this.#pending, this.#weights, this.dims);
    else for (let k = 0; k < this.#waiting; k++) addOuter(this.a, this.#pending[k]!, this.dims, this.#weights[k]!);
    this.#waiting = 0;
  }

  /** @param change weight times what the target has changed by */
  correct(phi: Float64Array, change: number): void {
    const { b, dims } = this;
    for (let i = 0; i < dims; i++) b[i]! += change * phi[i]!;
    this.stale = true;
  }

  /** @param which of RIDGES @param today weight of a new example, so that the prior is added after forgetting */
  solve(which: number, mean: number, today: number, { xDims, outputs }: Places, iterations: number): void {
    this.flush();
    const { a, dims } = this;
    const rhs = new Float64Array(dims);
    for (let i = 0, at = 0; i < dims; i++, at += i) rhs[i] = this.b[i]! - mean * a[at]!;
    const ridge = new Float64Array(dims).fill(CONSTANT_RIDGE * today);
    ridge.fill(X_RIDGE * today, 1, xDims);
    ridge.fill(RIDGES[which]! * today, xDims, xDims + outputs);
    conjugateGradient({ a, dims, ridge, rhs, x: this.means[which]!, iterations, tolerance: TOLERANCE });
  }

  /**
   * L⁻¹ of the sketch's precision L Lᵀ = S/g + ratio · Λ, packed by rows: |L⁻¹ u|² is the variance at u, in units of the noise.
   * @param ratio of the noise to the widest spread of rewards, both squared: what was never tried stays as uncertain as it was at first,
   * however little noise there is elsewhere
   */
  inverseFactor(today: number, ratio: number, out: Float32Array, at: number): void {
    const l = new Float64Array(SKETCH_DIMS * SKETCH_DIMS);
    const inverse = new Float64Array(SKETCH_DIMS * SKETCH_DIMS);
    const d = SKETCH_DIMS;
    for (let i = 0, k = 0; i < d; i++) {
      for (let j = 0; j <= i; j++, k++) {
        let sum = this.sketch[k]! / today + (i === j ? ratio * (i === 0 ? CONSTANT_RIDGE : SKETCH_RIDGE) : 0);
        for (let q = 0; q < j; q++) sum -= l[i * d + q]! * l[j * d + q]!;
        l[i * d + j] = i === j ? Math.sqrt(sum) : sum / l[j * d + j]!;
      }
    }
    for (let j = 0; j < d; j++) {
      for (let i = j; i < d; i++) {
        let sum = i === j ? 1 : 0;
        for (let q = j; q < i; q++) sum -= l[i * d + q]! * inverse[q * d + j]!;
        inverse[i * d + j] = sum / l[i * d + i]!;
      }
    }
    for (let i = 0, k = at; i < d; i++) for (let j = 0; j <= i; j++) out[k++] = inverse[i * d + j]!;
  }

  scale(factor: number): void {
    this.flush();
    for (const array of [this.a, this.b, this.sketch]) for (let i = 0; i < array.length; i++) array[i]! *= factor;
    this.weight *= factor;
    this.squares *= factor;
  }
}

const BLOCK = 4;
/** Far below the noise of any reward. */
const TOLERANCE = 1e-5;

/** The sketch's view of φ: a constant, and the first Fourier features as if they were all. */
export const sketchOf = (phi: ArrayLike<number>, { xDims, outputs }: Places, out: Float64Array): void => {
  const scale = Math.sqrt(outputs / SKETCH);
  out[0] = 1;
  for (let i = 0; i < SKETCH; i++) out[i + 1] = phi[xDims + i]! * scale;
};

/** A += g v vᵀ, packed lower triangle. */
const addOuter = (a: Float64Array, v: Float64Array, dims: number, g: number): void => {
  for (let i = 0, at = 0; i < dims; at += ++i) {
    const f = g * v[i]!;
    if (f !== 0) for (let j = 0; j <= i; j++) a[at + j]! += f * v[j]!;
  }
};

/** A += Σ g v vᵀ over four rows. */
const addFour = (a: Float64Array, [p, q, r, s]: readonly Float64Array[], weights: Float64Array, dims: number): void => {
  const [gp, gq, gr, gs] = weights as unknown as [number, number, number, number];
  for (let i = 0, at = 0; i < dims; at += ++i) {
    const fp = gp * p![i]!;
    const fq = gq * q![i]!;
    const fr = gr * r![i]!;
    const fs = gs * s![i]!;
    for (let j = 0; j <= i; j++) a[at + j] = a[at + j]! + fp * p![j]! + fq * q![j]! + fr * r![j]! + fs * s![j]!;
  }
};
