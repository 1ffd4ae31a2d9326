/** Solves (A + Λ) x = b from where x stands, by conjugate gradients with Jacobi's preconditioner (Golub & Van Loan, §11.5). */

interface Problem {
  /** Packed lower triangle by rows. */
  readonly a: Float64Array;
  readonly dims: number;
  /** Λ, one entry a dimension. */
  readonly ridge: ArrayLike<number>;
  readonly rhs: Float64Array;
  /** The start, and the solution. */
  readonly x: Float64Array;
  readonly iterations: number;
  /** Of what is left, in the preconditioned norm and relative to the right side, squared. */
  readonly tolerance?: number;
}

const TOLERANCE = 1e-8;

/** Fresh from the statistics each time, so that no rounding accumulates as in a running inverse. Returns the iterations used. */
export const conjugateGradient = ({ a, dims, ridge, rhs, x, iterations, tolerance = TOLERANCE }: Problem): number => {
  const inverse = new Float64Array(dims);
  const r = new Float64Array(dims);
  const z = new Float64Array(dims);
  const p = new Float64Array(dims);
  const ap = new Float64Array(dims);
  let scale = 0;
  multiply(a, dims, ridge, x, ap);
  let rz = 0;
  for (let i = 0; i < dims; i++) {
    inverse[i] = 1 / (a[(i * (i + 3)) / 2]! + ridge[i]!);
    r[i] = rhs[i]! - ap[i]!;
    z[i] = p[i] = r[i]! * inverse[i]!;
    rz += r[i]! * z[i]!;
    scale += rhs[i]! * rhs[i]! * inverse[i]!;
  }
  let used = 0;
  for (; used < iterations && rz > tolerance * scale; used++) {
    multiply(a, dims, ridge, p, ap);
    let pap = 0;
    for (let i = 0; i < dims; i++) pap += p[i]! * ap[i]!;
    if (!(pap > 0)) break;
    const alpha = rz / pap;
    let next = 0;
    for (let i = 0; i < dims; i++) {
      x[i]! += alpha * p[i]!;
      r[i]! -= alpha * ap[i]!;
      z[i] = r[i]! * inverse[i]!;
      next += r[i]! * z[i]!;
    }
    const beta = next / rz;
    rz = next;
    for (let i = 0; i < dims; i++) p[i] = z[i]! + beta * p[i]!;
  }
  return used;
};

/** Two rows at once: A is larger than a cache, and what is read of v and out serves both. */
const multiply = (a: Float64Array, dims: number, ridge: ArrayLike<number>, v: Float64Array, out: Float64Array): void => {
  const even = dims & ~1;
  out.fill(0);
  for (let i = 0; i < even; i += 2) {
    const at = (i * (i + 1)) / 2;
    const below = at + i + 1;
    const v0 = v[i]!;
    const v1 = v[i + 1]!;
    let sum0 = 0;
    let sum1 = 0;
    for (let j = 0; j < i; j++) {
      const e0 = a[at + j]!;
      const e1 = a[below + j]!;
      const vj = v[j]!;
      sum0 += e0 * vj;
      sum1 += e1 * vj;
      out[j] = out[j]! + e0 * v0 + e1 * v1;
    }
    const across = a[below + i]!;
    out[i] = sum0 + (a[at + i]! + ridge[i]!) * v0 + across * v1;
    out[i + 1] = sum1 + across * v0 + (a[below + i + 1]! + ridge[i + 1]!) * v1;
  }
  if (even === dims) return;
  const at = (even * (even + 1)) / 2;
  let sum = 0;
  for (let j = 0; j < even; j++) {
    const e = a[at + j]!;
    sum += e * v[j]!;
    out[j] = out[j]! + e * v[even]!;
  }
  out[even] = sum + (a[at + even]! + ridge[even]!) * v[even]!;
};
