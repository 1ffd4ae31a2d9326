/** One action's own statistics over φ(x): a ridge whose prior mean is the shared prediction, kept exact by the cross statistics. */
import { conjugateGradient } from './conjugate-gradient.ts';
import type { SparseRow } from './sparse-row.ts';

/**
 *   (A + g Λ) w = b − C w_shared,   A = Σ g v φφᵀ,   b = Σ g φ (v u + y − p),   C = Σ g v φψᵀ
 *
 * C is kept by column and only for entries of ψ that this action has met (its ψ is sparse), so the residual against the shared part
 * stays exact when w_shared moves. A is the packed lower triangle. O(d²/2) a row of learning.
 */
export class OwnPart {
  readonly dims: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly columns = new Map<number, Float64Array>();
  readonly means: Float64Array;
  /** Σ g. */
  weight = 0;

  constructor(dims: number) {
    this.dims = dims;
    this.a = new Float64Array((dims * (dims + 1)) / 2);
    this.b = new Float64Array(dims);
    this.means = new Float64Array(dims);
  }

  /** @param gv weight times curvature @param gr weight times (curvature · score + target − prediction) */
  learn(phi: Float64Array, psi: SparseRow, g: number, gv: number, gr: number): void {
    const { a, b, dims } = this;
    let at = 0;
    for (let i = 0; i < dims; i++) {
      const p = phi[i]!;
      if (p !== 0) {
        const f = gv * p;
        for (let j = 0; j <= i; j++) a[at + j]! += f * phi[j]!;
        b[i]! += gr * p;
      }
      at += i + 1;
    }
    for (let k = 0; k < psi.count; k++) {
      let column = this.columns.get(psi.index[k]!);
      if (column === undefined) this.columns.set(psi.index[k]!, (column = new Float64Array(dims)));
      const f = gv * psi.value[k]!;
      for (let i = 0; i < dims; i++) column[i]! += f * phi[i]!;
    }
    this.weight += g;
  }

  correct(phi: Float64Array, change: number): void {
    for (let i = 0; i < this.dims; i++) this.b[i]! += change * phi[i]!;
  }

  /** @param ridge one entry a dimension */
  solve(shared: Float64Array, ridge: Float64Array, iterations: number): void {
    const rhs = Float64Array.from(this.b);
    for (const [index, column] of this.columns) {
      const w = shared[index]!;
      if (w !== 0) for (let i = 0; i < this.dims; i++) rhs[i]! -= w * column[i]!;
    }
    conjugateGradient({ a: this.a, dims: this.dims, ridge, rhs, x: this.means, iterations });
  }

  scale(factor: number): void {
    for (const array of [this.a, this.b, ...this.columns.values()]) for (let i = 0; i < array.length; i++) array[i]! *= factor;
    this.weight *= factor;
  }
}
