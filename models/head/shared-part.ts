/** The part that all actions share: a ridge over the sparse ψ of action, profile, crosses and pair. */
import { conjugateGradient } from './conjugate-gradient.ts';
import type { SparseRow } from './sparse-row.ts';

/**
 * (A + g Λ) w = b. O(nonzeros²) a row of learning.
 *
 * ψ is hashed into far more places than are ever met, so A is kept over the places met, in the order of their first row: a new place is
 * one more row at the end of the packed lower triangle, and solving costs the square of what is used, not of what could be.
 */
export class SharedPart {
  readonly dims: number;
  /** Packed lower triangle; its first used · (used + 1) / 2 entries count. */
  a: Float64Array;
  b: Float64Array;
  /** By place in ψ; 0 where nothing was met. */
  readonly means: Float64Array;
  /** Places in ψ by the order of their meeting. */
  readonly met: number[] = [];
  readonly #ranks: Int32Array;

  constructor(dims: number) {
    this.dims = dims;
    this.a = new Float64Array(1024);
    this.b = new Float64Array(64);
    this.means = new Float64Array(dims);
    this.#ranks = new Int32Array(dims).fill(-1);
  }

  /** Entries of one row may name an index twice (hash collisions): they add up. */
  learn({ index, value, count }: SparseRow, gv: number, gr: number): void {
    for (let k = 0; k < count; k++) this.#meet(index[k]!);
    for (let k = 0; k < count; k++) {
      const i = this.#ranks[index[k]!]!;
      const base = (i * (i + 1)) / 2;
      const f = gv * value[k]!;
      for (let l = 0; l < count; l++) {
        const j = this.#ranks[index[l]!]!;
        if (j <= i) this.a[base + j]! += f * value[l]!;
      }
      this.b[i]! += gr * value[k]!;
    }
  }

  correct({ index, value, count }: SparseRow, change: number): void {
    for (let k = 0; k < count; k++) {
      const i = this.#ranks[index[k]!]!;
      if (i >= 0) this.b[i]! += change * value[k]!;
    }
  }

  /** @param ridgeOf of a place in ψ */
  solve(ridgeOf: (place: number) => number, iterations: number): void {
    const { met, means } = this;
    const dims = met.length;
    const x = Float64Array.from(met, (place) => means[place]!);
    const ridge = Float64Array.from(met, ridgeOf);
    conjugateGradient({ a: this.a, dims, ridge, rhs: this.b.subarray(0, dims), x, iterations });
    met.forEach((place, i) => (means[place] = x[i]!));
  }

  scale(factor: number): void {
    for (const array of [this.a, this.b]) for (let i = 0; i < array.length; i++) array[i]! *= factor;
  }

  /** Only the entries that count, for a checkpoint. */
  get packed(): { readonly met: Int32Array; readonly a: Float64Array; readonly b: Float64Array } {
    const used = this.met.length;
    return { met: Int32Array.from(this.met), a: this.a.subarray(0, (used * (used + 1)) / 2), b: this.b.subarray(0, used) };
  }

  restore(met: Int32Array, a: Float64Array, b: Float64Array): void {
    for (const place of met) this.#meet(place);
    this.a.set(a);
    this.b.set(b);
  }

  /** A's diagonal at the i-th place met. */
  diagonal(i: number): number {
    return this.a[(i * (i + 3)) / 2]!;
  }

  #meet(place: number): void {
    if (this.#ranks[place]! >= 0) return;
    const used = this.met.push(place);
    this.#ranks[place] = used - 1;
    this.a = withRoom(this.a, (used * (used + 1)) / 2);
    this.b = withRoom(this.b, used);
  }
}

const withRoom = (array: Float64Array, needed: number): Float64Array => {
  if (needed <= array.length) return array;
  const larger = new Float64Array(Math.max(needed, array.length * 2));
  larger.set(array);
  return larger;
};
