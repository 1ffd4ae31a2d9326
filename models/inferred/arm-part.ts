/** One candidate's statistics over φ: a ridge at several strengths, and draws from its posterior. */
import { factorise, solveTransposed } from '../head/cholesky.ts';
import { conjugateGradient } from '../head/conjugate-gradient.ts';
import { gaussian } from '../random.ts';

/** Draws of a candidate's weights from their posterior: what they make of an x spreads by its standard error, to one part in √(2 · DRAWS). */
export const DRAWS = 32;
/** They are drawn anew each time the candidate's rows have grown by this. */
const DRAWN_EVERY = 1.4;
/** And by so many. */
const DRAWN_AFTER = 3;
/** Of the Fourier features in the posterior that is drawn from. */
const DRAWN_RIDGE = 0.4;

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
  /** DRAWS rows of weights, in units of √ of the noise; null before the first redraw. */
  draws: Float32Array | null = null;
  /** Σ g. */
  weight = 0;
  /** Σ g e², with e the error made before the row was learned. */
  squares = 0;
  /** Learned here, whatever they weigh. */
  rows = 0;
  /** Rows at which the posterior is to be drawn from again. */
  nextDraws = 1;
  /** Effective rows when it was last drawn from. */
  drawnAt = 0;
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
  }

  learn(phi: Float64Array, g: number, target: number): void {
    (this.#pending[this.#waiting] ??= new Float64Array(this.dims)).set(phi);
    this.#weights[this.#waiting++] = g;
    if (this.#waiting === BLOCK) this.flush();
    this.correct(phi, g * target);
    this.weight += g;
    this.rows++;
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
  solve(which: number, mean: number, today: number, places: Places, iterations: number): void {
    this.flush();
    const { a, dims } = this;
    const rhs = new Float64Array(dims);
    for (let i = 0, at = 0; i < dims; i++, at += i) rhs[i] = this.b[i]! - mean * a[at]!;
    const ridge = ridgesOf(dims, places, RIDGES[which]!, today);
    conjugateGradient({ a, dims, ridge, rhs, x: this.means[which]!, iterations, tolerance: TOLERANCE });
  }

  /** How overdue new draws are, from 1 on; under 1 they are not. Rows that were forgotten count as rows that came. */
  ageOfDraws(today: number): number {
    if (this.draws === null) return this.rows > 0 ? Infinity : 0;
    return Math.max(this.rows / this.nextDraws, this.drawnAt / (DRAWN_EVERY * (this.weight / today + DRAWN_AFTER)));
  }

  /**
   * From N(0, P⁻¹), P = A/g + ratio · Λ: the posterior's deviations from its mean, in units of the noise (Bishop 2006, eq. 3.50–3.51).
   * @param ratio of the noise to the widest spread of rewards, both squared: what was never tried stays as uncertain as it was at first,
   * however little noise there is elsewhere
   * @param factor room for a triangle
   *
   * Where rounding has left A without a factor the draws stay as they were.
   */
  redraw(today: number, ratio: number, places: Places, random: () => number, factor: Float64Array): void {
    this.flush();
    const { dims } = this;
    this.nextDraws = Math.ceil(this.rows * DRAWN_EVERY) + DRAWN_AFTER;
    this.drawnAt = this.weight / today;
    try {
      factorise(this.a, dims, ridgesOf(dims, places, DRAWN_RIDGE, today * ratio), factor);
    } catch (error) {
      if (error instanceof RangeError) return;
      throw error;
    }
    const draws = (this.draws ??= new Float32Array(dims * DRAWS));
    const w = new Float64Array(dims);
    const scale = Math.sqrt(today);
    for (let draw = 0; draw < DRAWS; draw++) {
      for (let i = 0; i < dims; i++) w[i] = scale * gaussian(random);
      solveTransposed(factor, dims, w);
      draws.set(w, draw * dims);
    }
  }

  scale(factor: number): void {
    this.flush();
    for (const array of [this.a, this.b]) for (let i = 0; i < array.length; i++) array[i]! *= factor;
    this.weight *= factor;
    this.squares *= factor;
  }
}

const BLOCK = 4;
/** Far below the noise of any reward. */
const TOLERANCE = 1e-5;

/** What `redraw` would draw with ratio 1 where nothing was learned. */
export const drawPrior = (dims: number, places: Places, random: () => number): Float32Array<ArrayBuffer> => {
  const ridges = ridgesOf(dims, places, DRAWN_RIDGE, 1);
  return Float32Array.from({ length: dims * DRAWS }, (_, i) => gaussian(random) / Math.sqrt(ridges[i % dims]!));
};

const ridgesOf = (dims: number, { xDims, outputs }: Places, fourier: number, scale: number): Float64Array => {
  const ridges = new Float64Array(dims).fill(CONSTANT_RIDGE * scale);
  ridges.fill(X_RIDGE * scale, 1, xDims);
  return ridges.fill(fourier * scale, xDims, xDims + outputs);
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
