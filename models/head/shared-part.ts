/** The part that all actions share: a ridge over the sparse ψ of action, profile, crosses and pair. */
import { conjugateGradient } from './conjugate-gradient.ts';
import type { SparseRow } from './sparse-row.ts';

/** (A + λ g I) w = b. O(nonzeros²) a row of learning. */
export class SharedPart {
  readonly dims: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly means: Float64Array;

  constructor(dims: number) {
    this.dims = dims;
    this.a = new Float64Array((dims * (dims + 1)) / 2);
    this.b = new Float64Array(dims);
    this.means = new Float64Array(dims);
  }

  /** Entries of one row may name an index twice (hash collisions): they add up. */
  learn({ index, value, count }: SparseRow, gv: number, gr: number): void {
    for (let k = 0; k < count; k++) {
      const i = index[k]!;
      const base = (i * (i + 1)) / 2;
      const f = gv * value[k]!;
      for (let l = 0; l < count; l++) {
        const j = index[l]!;
        if (j <= i) this.a[base + j]! += f * value[l]!;
      }
      this.b[i]! += gr * value[k]!;
    }
  }

  correct({ index, value, count }: SparseRow, change: number): void {
    for (let k = 0; k < count; k++) this.b[index[k]!]! += change * value[k]!;
  }

  solve(ridge: number, iterations: number): void {
    conjugateGradient({ a: this.a, dims: this.dims, ridge, rhs: Float64Array.from(this.b), x: this.means, iterations });
  }

  scale(factor: number): void {
    for (const array of [this.a, this.b]) for (let i = 0; i < array.length; i++) array[i]! *= factor;
  }
}
