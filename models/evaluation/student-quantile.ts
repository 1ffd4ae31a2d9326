/** Quantiles of Student's t distribution. */
import { normalQuantile } from '../exploration/normal-distribution.ts';

/**
 * t with P(T ≤ t) = p, to about 1e-9: Newton's steps from the normal quantile on the regularised incomplete beta function.
 * @param p in (0, 1) @param degrees of freedom, at least 1
 */
export const studentQuantile = (p: number, degrees: number): number => {
  if (p === 0.5) return 0;
  if (p < 0.5) return -studentQuantile(1 - p, degrees);
  const z = normalQuantile(p);
  // From 10 million on the two differ by less than 1e-6 of themselves; lgamma's rounding would be more.
  if (degrees > 1e7) return z;
  // Cauchy's quantile bounds from above, the normal one from below: bisect until Newton is safe.
  let low = z;
  let high = Math.max(z * 2, Math.tan(Math.PI * (p - 0.5)) + 1);
  let t = z + (z ** 3 + z) / (4 * degrees);
  for (let step = 0; step < 100; step++) {
    const error = distributionOf(t, degrees) - p;
    if (error > 0) high = Math.min(high, t);
    else low = Math.max(low, t);
    const next = t - error / densityOf(t, degrees);
    const moved = next > low && next < high ? next : (low + high) / 2;
    if (Math.abs(moved - t) <= 1e-12 * Math.abs(t)) return moved;
    t = moved;
  }
  return t;
};

const distributionOf = (t: number, degrees: number): number => 1 - incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;

const densityOf = (t: number, degrees: number): number =>
  Math.exp(
    logGamma((degrees + 1) / 2) -
      logGamma(degrees / 2) -
      0.5 * Math.log(degrees * Math.PI) -
      ((degrees + 1) / 2) * Math.log1p((t * t) / degrees),
  );

/** I_x(a, b) by its continued fraction (Lentz's method; Press et al., "Numerical Recipes", §6.4). */
const incompleteBeta = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * fractionOf(x, a, b)) / a : 1 - (front * fractionOf(1 - x, b, a)) / b;
};

const TINY = 1e-300;
const apart = (value: number): number => (Math.abs(value) < TINY ? TINY : value);

const fractionOf = (x: number, a: number, b: number): number => {
  let c = 1;
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / apart(1 + even * d);
    c = apart(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / apart(1 + odd * d);
    c = apart(1 + odd / c);
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < 1e-15) break;
  }
  return h;
};

/** ln Γ(x), x > 0: Stirling's series after shifting x above 15. */
const logGamma = (x: number): number => {
  let shift = 0;
  let y = x;
  while (y < 15) shift -= Math.log(y++);
  const z = 1 / (y * y);
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / y;
  return shift + (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series;
};
