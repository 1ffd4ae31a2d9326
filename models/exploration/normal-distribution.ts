/** The standard normal distribution by table: quick, and the same bits on every machine (the four operations and no others). */
import { exactExp } from './exact-exp.ts';

/** Below this Φ counts as 0, above `NORMAL_TOP` as 1: 2e-8 and 4e-11 away from it. */
export const NORMAL_BOTTOM = -5.5;
export const NORMAL_TOP = 6.5;
const CELLS_PER_UNIT = 16;
const CELLS = (NORMAL_TOP - NORMAL_BOTTOM) * CELLS_PER_UNIT;
const STEP = 1 / CELLS_PER_UNIT;

const density = (z: number): number => 0.3989422804014327 * exactExp(-0.5 * z * z);

/** Φ(z) = ½ + φ(z) Σ z^(2k+1) / (1·3·…·(2k+1)) (Marsaglia 2004). */
const distribution = (z: number): number => {
  let term = z;
  let sum = z;
  for (let n = 3; n < 400; n += 2) sum += term *= (z * z) / n;
  return 0.5 + density(z) * sum;
};

/** Six coefficients a cell: the quintic that has Φ, φ and φ' at both ends. Its error is below 1e-12. */
const CELL = 6;
const QUINTICS = new Float64Array((CELLS + 1) * CELL);
for (let cell = 0; cell <= CELLS; cell++) {
  const z = NORMAL_BOTTOM + cell * STEP;
  const [p0, p1] = [distribution(z), distribution(z + STEP)];
  const [v0, v1] = [density(z) * STEP, density(z + STEP) * STEP];
  const [a0, a1] = [-z * v0 * STEP, -(z + STEP) * v1 * STEP];
  const rise = p1 - p0;
  QUINTICS.set(
    [
      p0,
      v0,
      a0 / 2,
      10 * rise - 6 * v0 - 4 * v1 - (3 * a0 - a1) / 2,
      -15 * rise + 8 * v0 + 7 * v1 + (3 * a0 - 2 * a1) / 2,
      6 * rise - 3 * (v0 + v1) - (a0 - a1) / 2,
    ],
    cell * CELL,
  );
}

/** What the last call of `normal` found: two numbers without an object. */
export const found = new Float64Array(2);

/** Writes Φ(z) and φ(z) into `found`. @param z at least NORMAL_BOTTOM, below NORMAL_TOP */
export const normal = (z: number): void => {
  const place = (z - NORMAL_BOTTOM) * CELLS_PER_UNIT;
  const cell = place > 0 ? place | 0 : 0;
  const t = place - cell;
  const at = cell * CELL;
  const b = QUINTICS[at + 1]!;
  const c = QUINTICS[at + 2]!;
  const d = QUINTICS[at + 3]!;
  const e = QUINTICS[at + 4]!;
  const f = QUINTICS[at + 5]!;
  found[0] = QUINTICS[at]! + t * (b + t * (c + t * (d + t * (e + t * f))));
  found[1] = CELLS_PER_UNIT * (b + t * (2 * c + t * (3 * d + t * (4 * e + t * 5 * f))));
};

/** z with Φ(z) = p, to about 1e-9: Acklam's rational function in the middle, the table's cells and Newton's steps in the tails. */
export const normalQuantile = (p: number): number => {
  const q = p - 0.5;
  if (q > -0.475 && q < 0.475) {
    const r = q * q;
    return (
      ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r +
        2.506628277459239) *
        q) /
      (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1)
    );
  }
  if (!(p > QUINTICS[0]!)) return NORMAL_BOTTOM;
  let low = 0;
  let high = CELLS;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (QUINTICS[middle * CELL]! <= p) low = middle;
    else high = middle;
  }
  let z = NORMAL_BOTTOM + (low + 0.5) * STEP;
  for (let step = 0; step < 4 && z < NORMAL_TOP && z >= NORMAL_BOTTOM; step++) {
    normal(z);
    z -= (found[0]! - p) / found[1]!;
  }
  return z < NORMAL_TOP ? z : NORMAL_TOP;
};
