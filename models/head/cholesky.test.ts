import { expect, test } from 'vitest';
import { gaussian, randomOf } from '../random.ts';
import { factorise, solveTransposed } from './cholesky.ts';

const triangle = (dims: number): number => (dims * (dims + 1)) / 2;

/** Σ v vᵀ of as many rows as given, packed. */
const statistics = (dims: number, rows: number, seed: number): Float64Array => {
  const random = randomOf(seed);
  const a = new Float64Array(triangle(dims));
  for (let row = 0; row < rows; row++) {
    const v = Float64Array.from({ length: dims }, () => gaussian(random));
    for (let i = 0, at = 0; i < dims; i++) for (let j = 0; j <= i; j++, at++) a[at] = a[at]! + v[i]! * v[j]!;
  }
  return a;
};

test.each([1, 3, 4, 5, 8, 30, 41])('L Lᵀ is A + Λ in %i dimensions', (dims) => {
  const a = statistics(dims, dims / 2, dims);
  const ridge = Float64Array.from({ length: dims }, (_, i) => 0.1 + i / 10);
  const l = new Float64Array(a.length).fill(Number.NaN);
  factorise(a, dims, ridge, l);
  let worst = 0;
  for (let i = 0, at = 0; i < dims; i++)
    for (let j = 0; j <= i; j++, at++) {
      let sum = 0;
      for (let k = 0; k <= j; k++) sum += l[triangle(i) + k]! * l[triangle(j) + k]!;
      worst = Math.max(worst, Math.abs(sum - a[at]! - (i === j ? ridge[i]! : 0)));
    }
  expect(worst).toBeLessThan(1e-12 * dims * dims + 1e-13);
});

test('L⁻ᵀ of white noise has the covariance (A + Λ)⁻¹: Lᵀ takes it back to white noise', () => {
  const dims = 7;
  const a = statistics(dims, 20, 3);
  const l = new Float64Array(a.length);
  factorise(a, dims, new Float64Array(dims).fill(1), l);
  const z = Float64Array.from({ length: dims }, (_, i) => i - 2.5);
  const x = Float64Array.from(z);
  solveTransposed(l, dims, x);
  for (let i = 0; i < dims; i++) {
    let sum = 0;
    for (let k = i; k < dims; k++) sum += l[triangle(k) + i]! * x[k]!;
    expect(sum).toBeCloseTo(z[i]!, 10);
  }
});

test('a matrix that is not positive definite is refused', () => {
  expect(() => factorise(Float64Array.of(1, 2, 1), 2, [0, 0], new Float64Array(3))).toThrow(/row 1 .* not positive definite/);
});
