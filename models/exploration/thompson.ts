/**
 * Thompson sampling with its probabilities computed: P(arm i is the best) when each arm's worth is an independent Gaussian (Thompson 1933;
 * Agrawal & Goyal 2013), by quadrature, so that what is logged is exact and the action is drawn from just that.
 *
 *   p_i = ∫ φ_i(x) Π_{j≠i} Φ_j(x) dx = ∫ M(x) φ_i(x) / Φ_i(x) dx,   M(x) = Π_j Φ_j(x), the distribution of the maximum.
 *
 * All integrands live where M rises from 0 to 1, so one grid serves every arm. Over a panel [a, b] they sum to M(b) − M(a), which is known:
 * a panel whose sum differs is halved, and a narrow arm between the nodes of a wide one is found. An arm with no error is a point mass; only
 * the highest of those can be best, with M at its place. Error below 1e-6 (against a dense integral); O(arms · nodes), about 60 nodes.
 */
import type { Arms } from './arms.ts';
import { NORMAL_BOTTOM, NORMAL_TOP, found, normal } from './normal-distribution.ts';

/** Gauss–Legendre on [-1, 1], eight nodes (Abramowitz & Stegun, table 25.4). */
const NODES = [0.1834346424956498, 0.525532409916329, 0.7966664774136267, 0.9602898564975363];
const WEIGHTS = [0.362683783378362, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763];
const X = Float64Array.from([...NODES, ...NODES.map((x) => -x)]);
const W = Float64Array.from([...WEIGHTS, ...WEIGHTS]);

const TOLERANCE = 1e-7;
const FIRST_PANELS = 4;
const MAX_DEPTH = 44;
const LIMIT = 1e300;
/** Relative to what separates the arms: less than this is no error at all. */
const EXACT = 1e-12;

interface Scratch {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
  /** Of the arms that can be best, packed: place in `out`, mean, 1 / deviation. */
  readonly active: Int32Array;
  readonly mean: Float64Array;
  readonly precision: Float64Array;
  readonly hazards: Float64Array;
  readonly panel: Float64Array;
}

const createScratch = (size: number): Scratch => ({
  means: new Float64Array(size),
  deviations: new Float64Array(size),
  active: new Int32Array(size),
  mean: new Float64Array(size),
  precision: new Float64Array(size),
  hazards: new Float64Array(size),
  panel: new Float64Array(size),
});

let scratch = createScratch(128);

/** @param out at least `count` long; the first `count` entries are written, and sum to 1 */
export const thompson = ({ count, priorities, standardErrors }: Arms, out: Float64Array): Float64Array => {
  if (count > scratch.means.length) scratch = createScratch(count * 2);
  if (!standardise(priorities, standardErrors, count, scratch)) return out.fill(1 / count, 0, count);
  const { means, deviations, active, mean, precision } = scratch;
  let from = -Infinity;
  let to = -Infinity;
  let point = -Infinity;
  for (let i = 0; i < count; i++) {
    const d = deviations[i]!;
    if (d === 0) {
      if (means[i]! > point) point = means[i]!;
      continue;
    }
    from = Math.max(from, means[i]! + NORMAL_BOTTOM * d);
    to = Math.max(to, means[i]! - NORMAL_BOTTOM * d);
  }
  const pointCounts = point > from;
  if (pointCounts) from = point;
  let n = 0;
  for (let i = 0; i < count; i++) {
    out[i] = 0;
    if (deviations[i] === 0 || means[i]! + NORMAL_TOP * deviations[i]! <= from) continue;
    active[n] = i;
    mean[n] = means[i]!;
    precision[n++] = 1 / deviations[i]!;
  }
  if (pointCounts) sharePoint(scratch, count, point, distributionOfMaximum(scratch, n, point), out);
  if (to > from) {
    const width = (to - from) / FIRST_PANELS;
    let left = distributionOfMaximum(scratch, n, from);
    for (let k = 0; k < FIRST_PANELS; k++) {
      const a = from + k * width;
      const b = k === FIRST_PANELS - 1 ? to : a + width;
      const right = distributionOfMaximum(scratch, n, b);
      integrate(scratch, n, a, b, left, right, MAX_DEPTH, out);
      left = right;
    }
  }
  return normalise(out, count);
};

/** Means from the best downwards, in units of what separates the arms; false when nothing does. */
const standardise = (
  priorities: ArrayLike<number>,
  errors: ArrayLike<number>,
  count: number,
  { means, deviations }: Pick<Scratch, 'means' | 'deviations'>,
): boolean => {
  let low = Infinity;
  let high = -Infinity;
  let scale = 0;
  for (let i = 0; i < count; i++) {
    const p = priorities[i]!;
    const m = p > LIMIT ? LIMIT : p < -LIMIT ? -LIMIT : p;
    const e = errors[i]!;
    means[i] = m;
    deviations[i] = e > 0 ? Math.min(e, LIMIT) : 0;
    if (m < low) low = m;
    if (m > high) high = m;
    if (deviations[i]! > scale) scale = deviations[i]!;
  }
  if (high - low > scale) scale = high - low;
  if (!(scale > 0)) return false;
  if (high === -Infinity) low = high = 0;
  for (let i = 0; i < count; i++) {
    const known = !Number.isNaN(means[i]!);
    const d = known ? deviations[i]! / scale : 0;
    means[i] = ((known ? means[i]! : low) - high) / scale;
    deviations[i] = d > EXACT ? d : 0;
  }
  return true;
};

const sharePoint = ({ means, deviations }: Scratch, count: number, point: number, share: number, out: Float64Array): void => {
  let tied = 0;
  for (let i = 0; i < count; i++) if (deviations[i] === 0 && means[i] === point) tied++;
  for (let i = 0; i < count; i++) if (deviations[i] === 0 && means[i] === point) out[i] = share / tied;
};

/** M(x). */
const distributionOfMaximum = ({ mean, precision }: Scratch, n: number, x: number): number => {
  let product = 1;
  for (let j = 0; j < n; j++) {
    const z = (x - mean[j]!) * precision[j]!;
    if (z >= NORMAL_TOP) continue;
    normal(z);
    product *= found[0]!;
  }
  return product;
};

/** Adds the arms' integrals over [a, b] to `out`. @param left M(a) @param right M(b) */
const integrate = (s: Scratch, n: number, a: number, b: number, left: number, right: number, depth: number, out: Float64Array): void => {
  const { active, mean, precision, hazards, panel } = s;
  const rise = right - left;
  if (rise <= TOLERANCE * 1e-2) return;
  const middle = 0.5 * (a + b);
  const half = 0.5 * (b - a);
  panel.fill(0, 0, n);
  let sum = 0;
  for (let k = 0; k < 8; k++) {
    const x = middle + half * X[k]!;
    let maximum = 1;
    for (let j = 0; j < n; j++) {
      const p = precision[j]!;
      const z = (x - mean[j]!) * p;
      if (z >= NORMAL_TOP) {
        hazards[j] = 0;
        continue;
      }
      normal(z);
      maximum *= found[0]!;
      hazards[j] = (found[1]! * p) / found[0]!;
    }
    const weight = W[k]! * half * maximum;
    for (let j = 0; j < n; j++) {
      const part = weight * hazards[j]!;
      panel[j] = panel[j]! + part;
      sum += part;
    }
  }
  if (depth > 0 && Math.abs(sum - rise) > TOLERANCE && half > Math.abs(middle) * 1e-15) {
    const between = distributionOfMaximum(s, n, middle);
    integrate(s, n, a, middle, left, between, depth - 1, out);
    integrate(s, n, middle, b, between, right, depth - 1, out);
    return;
  }
  for (let j = 0; j < n; j++) out[active[j]!] = out[active[j]!]! + panel[j]!;
};

const normalise = (out: Float64Array, count: number): Float64Array => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += out[i]!;
  if (!(sum > 0)) return out.fill(1 / count, 0, count);
  for (let i = 0; i < count; i++) out[i] = out[i]! / sum;
  return out;
};
