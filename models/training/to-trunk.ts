/** From a network's layers to a trunk that serves: standardisation folded into the first layer, and the outputs turned to fit the head's prior. */
import { createPlainKernel } from '../kernel/kernel.ts';
import { trunkOf, type DenseLayer, type Trunk } from '../trunk/trunk.ts';
import type { Standardisation } from './network.ts';
import type { TrainingSet } from './training-set.ts';

/** Rows that the outputs' covariance is taken from. */
const COVARIANCE_ROWS = 20_000;

/**
 * A last linear layer centres the outputs, turns them to their principal axes and scales all alike, so that E|φ|² over the trunk's part is 1,
 * as it is for model zero's random features: the ridges of the head then mean the same, and its evidence, which takes the posterior's
 * covariance for diagonal, is close to the truth.
 */
export const toTrunk = (layers: readonly DenseLayer[], scale: Standardisation, set: TrainingSet, rows: Int32Array): Trunk => {
  const folded = layers.map((layer, i) => (i === 0 ? fold(layer, scale) : layer));
  return trunkOf([...folded, principalAxes(trunkOf(folded), set, rows)]);
};

/** W ((x − m) / s) + b = (W / s) x + (b − W m / s). */
const fold = (layer: DenseLayer, { mean, inverse }: Standardisation): DenseLayer => {
  const { inputs, outputs } = layer;
  const w = new Float32Array(layer.w.length);
  const b = Float64Array.from(layer.b);
  for (let c = 0; c < inputs; c++)
    for (let r = 0; r < outputs; r++) {
      const weight = layer.w[c * outputs + r]! * inverse[c]!;
      w[c * outputs + r] = weight;
      b[r]! -= weight * mean[c]!;
    }
  return { ...layer, w, b: Float32Array.from(b) };
};

const principalAxes = (trunk: Trunk, { x, xDims }: TrainingSet, rows: Int32Array): DenseLayer => {
  const d = trunk.outputs;
  const kernel = createPlainKernel(trunk);
  const step = Math.max(1, Math.floor(rows.length / COVARIANCE_ROWS));
  const mean = new Float64Array(d);
  const second = new Float64Array(d * d);
  let n = 0;
  for (let i = 0; i < rows.length; i += step, n++) {
    kernel.x.set(x.subarray(rows[i]! * xDims, (rows[i]! + 1) * xDims));
    kernel.features();
    const h = kernel.phi.subarray(trunk.inputs, trunk.inputs + d);
    for (let r = 0; r < d; r++) {
      mean[r]! += h[r]!;
      for (let c = 0; c <= r; c++) second[r * d + c]! += h[r]! * h[c]!;
    }
  }
  const covariance = new Float64Array(d * d);
  let total = 0;
  for (let r = 0; r < d; r++) mean[r]! /= n;
  for (let r = 0; r < d; r++)
    for (let c = 0; c <= r; c++) {
      covariance[r * d + c] = covariance[c * d + r] = second[r * d + c]! / n - mean[r]! * mean[c]!;
      if (r === c) total += covariance[r * d + r]!;
    }
  const axes = eigenvectors(covariance, d);
  const size = total > 1e-12 ? 1 / Math.sqrt(total) : 0;
  const w = Float32Array.from(axes, (value) => value * size);
  const b = Float32Array.from({ length: d }, (_, r) => {
    let sum = 0;
    for (let c = 0; c < d; c++) sum -= mean[c]! * w[c * d + r]!;
    return sum;
  });
  return { kind: 'dense', inputs: d, outputs: d, activation: 'linear', w, b };
};

/** Of a symmetric matrix, as columns, by Jacobi's rotations (Golub & Van Loan, §8.5); d is some dozens. */
const eigenvectors = (matrix: Float64Array, d: number): Float64Array => {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(d * d);
  for (let i = 0; i < d; i++) v[i * d + i] = 1;
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0;
    for (let p = 0; p < d; p++) for (let q = p + 1; q < d; q++) off += a[p * d + q]! ** 2;
    if (off < 1e-18) break;
    for (let p = 0; p < d; p++) for (let q = p + 1; q < d; q++) rotate(a, v, d, p, q);
  }
  return v;
};

const rotate = (a: Float64Array, v: Float64Array, d: number, p: number, q: number): void => {
  const apq = a[p * d + q]!;
  if (Math.abs(apq) < 1e-300) return;
  const theta = (a[q * d + q]! - a[p * d + p]!) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < d; k++) {
    const [akp, akq] = [a[k * d + p]!, a[k * d + q]!];
    a[k * d + p] = c * akp - s * akq;
    a[k * d + q] = s * akp + c * akq;
  }
  for (let k = 0; k < d; k++) {
    const [apk, aqk] = [a[p * d + k]!, a[q * d + k]!];
    a[p * d + k] = c * apk - s * aqk;
    a[q * d + k] = s * apk + c * aqk;
    const [vkp, vkq] = [v[k * d + p]!, v[k * d + q]!];
    v[k * d + p] = c * vkp - s * vkq;
    v[k * d + q] = s * vkp + c * vkq;
  }
};
