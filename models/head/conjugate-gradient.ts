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
}

const TOLERANCE = 1e-8;

/** Fresh from the statistics each time, so that no rounding accumulates as in a running inverse. Returns the iterations used. */
export const conjugateGradient = ({ a, dims, ridge, rhs, x, iterations }: Problem): number => {
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
  for (; used < iterations && rz > TOLERANCE * scale; used++) {
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

const multiply = (a: Float64Array, dims: number, ridge: ArrayLike<number>, v: Float64Array, out: Float64Array): void => {
  let at = 0;
  for (let i = 0; i < dims; i++) {
    const vi = v[i]!;
    let sum = 0;
    for (let j = 0; j < i; j++) {
      const e = a[at + j]!;
      sum += e * v[j]!;
      out[j]! += e * vi;
    }
    out[i] = sum + (a[at + i]! + ridge[i]!) * vi;
    at += i + 1;
  }
};
