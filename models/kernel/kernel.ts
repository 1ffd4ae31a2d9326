/** What computes a trunk and the heads' dot products: the WASM SIMD kernel, or plain loops where SIMD is absent. Same laws. */
import type { Activation, Trunk, TrunkLayer } from '../trunk/trunk.ts';
import { kernelBytes, SELU } from './kernel-source.ts';
import { webAssembly } from './web-assembly.ts';

/**
 * φ is x followed by the trunk's outputs, padded to a multiple of 8 (`stride` floats); a head is a row of that length.
 * One kernel is shared by the snapshots of a version: `use` says whose heads are meant, and copies them when they change.
 */
export interface Kernel {
  readonly kind: 'wasm-simd' | 'plain';
  readonly stride: number;
  /** The caller writes the context here. */
  readonly x: Float32Array;
  /** After `features`: φ(x). */
  readonly phi: Float32Array;
  readonly rows: Int32Array;
  readonly dots: Float32Array;
  use(heads: Float32Array): void;
  features(): void;
  /** dots[i] = φ · heads[rows[i]] for i < count; count ≤ capacity. */
  multiply(count: number): void;
}

export const KERNEL_CAPACITY = 1024;

export const strideOf = ({ inputs, outputs }: Trunk): number => Math.ceil((inputs + outputs) / 8) * 8;

export const createKernel = (trunk: Trunk, maxHeads = 512): Kernel => {
  try {
    return createWasmKernel(trunk, maxHeads);
  } catch {
    return createPlainKernel(trunk);
  }
};

type Elementwise = (at: number, end: number, scale: number) => void;

interface Exports extends Readonly<Record<'fourier' | Exclude<Activation, 'linear'>, Elementwise>> {
  readonly memory: { readonly buffer: ArrayBuffer };
  affine(x: number, xEnd: number, w: number, b: number, out: number, rowBytes: number): void;
  dots(phi: number, rowBytes: number, rows: number, heads: number, out: number, outEnd: number): void;
}

/** A layer at its place in memory: widths are filled up to multiples of 8 with zeros, which stay zeros. */
interface PlacedLayer {
  readonly x: number;
  readonly xEnd: number;
  readonly w: number;
  readonly b: number;
  readonly out: number;
  readonly width: number;
  readonly layer: TrunkLayer;
}

/** Throws where SIMD is not supported, or on an odd shape. @param trunk inputs a multiple of 4, Fourier outputs of 8 */
export const createWasmKernel = (trunk: Trunk, maxHeads: number): Kernel => {
  const { inputs } = trunk;
  const odd = trunk.layers.find(({ kind, outputs }) => kind === 'fourier' && outputs % 8 !== 0);
  if (odd !== undefined || inputs % 4 !== 0)
    throw new RangeError(`the kernel takes multiples of 4 and 8, not ${inputs} and ${odd?.outputs ?? 8}`);
  const stride = strideOf(trunk);
  let size = 0;
  const place = (floats: number): number => {
    const at = size;
    size = Math.ceil((size + floats * 4) / 16) * 16;
    return at;
  };
  // The last layer may write a few zeros beyond the stride.
  const phi = place(stride + 8);
  let x = phi;
  const layers = trunk.layers.map((layer, i): PlacedLayer => {
    const width = Math.ceil(layer.outputs / 8) * 8;
    const out = i === trunk.layers.length - 1 ? phi + inputs * 4 : place(width);
    const placed = { x, xEnd: x + layer.inputs * 4, w: place(layer.inputs * width), b: place(width), out, width, layer };
    x = out;
    return placed;
  });
  const rows = place(KERNEL_CAPACITY);
  const out = place(KERNEL_CAPACITY);
  const heads = place(stride * maxHeads);
  const instance = new webAssembly.Instance(new webAssembly.Module(kernelBytes(Math.ceil(size / 65536))));
  const exported = instance.exports as Exports;
  const { buffer } = exported.memory;
  for (const { layer, w, b, width } of layers) {
    for (let c = 0; c < layer.inputs; c++)
      new Float32Array(buffer, w + c * width * 4, layer.outputs).set(layer.w.subarray(c * layer.outputs, (c + 1) * layer.outputs));
    new Float32Array(buffer, b, layer.outputs).set(layer.b);
  }
  const steps = layers.map((placed) => stepOf(exported, placed));
  const headArea = new Float32Array(buffer, heads, stride * maxHeads);
  let current: Float32Array | null = null;
  return {
    kind: 'wasm-simd',
    stride,
    x: new Float32Array(buffer, phi, inputs),
    phi: new Float32Array(buffer, phi, stride),
    rows: new Int32Array(buffer, rows, KERNEL_CAPACITY),
    dots: new Float32Array(buffer, out, KERNEL_CAPACITY),
    use(next) {
      if (next === current) return;
      headArea.set(next);
      current = next;
    },
    features() {
      for (let i = 0; i < steps.length; i++) steps[i]!();
    },
    multiply: (count) => {
      if (count > 0) exported.dots(phi, stride * 4, rows, heads, out, out + count * 4);
    },
  };
};

const stepOf = (exported: Exports, { x, xEnd, w, b, out, width, layer }: PlacedLayer): (() => void) => {
  const end = out + width * 4;
  const affine = (): void => exported.affine(x, xEnd, w, b, out, width * 4);
  if (layer.kind === 'dense' && layer.activation === 'linear') return affine;
  const activation = exported[layer.kind === 'fourier' ? 'fourier' : (layer.activation as Exclude<Activation, 'linear'>)];
  const scale = layer.kind === 'fourier' ? layer.scale : 1;
  return () => {
    affine();
    activation(out, end, scale);
  };
};

export const createPlainKernel = (trunk: Trunk): Kernel => {
  const { inputs, layers } = trunk;
  const stride = strideOf(trunk);
  const phi = new Float32Array(stride);
  const x = phi.subarray(0, inputs);
  const outs = layers.map(({ outputs }, i) =>
    i === layers.length - 1 ? phi.subarray(inputs, inputs + outputs) : new Float32Array(outputs),
  );
  const sums = new Float64Array(Math.max(...layers.map(({ outputs }) => outputs)));
  const rows = new Int32Array(KERNEL_CAPACITY);
  const dots = new Float32Array(KERNEL_CAPACITY);
  let heads = new Float32Array(0);
  return {
    kind: 'plain',
    stride,
    x,
    phi,
    rows,
    dots,
    use(next) {
      heads = next as Float32Array<ArrayBuffer>;
    },
    features() {
      for (let i = 0; i < layers.length; i++) applyLayer(layers[i]!, i === 0 ? x : outs[i - 1]!, sums, outs[i]!);
    },
    multiply(count) {
      for (let i = 0; i < count; i++) {
        const at = rows[i]! * stride;
        let sum = 0;
        for (let j = 0; j < stride; j++) sum += phi[j]! * heads[at + j]!;
        dots[i] = sum;
      }
    },
  };
};

const applyLayer = (layer: TrunkLayer, x: Float32Array, sums: Float64Array, out: Float32Array): void => {
  const { inputs, outputs, w, b } = layer;
  sums.set(b);
  for (let c = 0; c < inputs; c++) {
    const value = x[c]!;
    if (value === 0) continue;
    const at = c * outputs;
    for (let r = 0; r < outputs; r++) sums[r]! += value * w[at + r]!;
  }
  if (layer.kind === 'fourier') for (let r = 0; r < outputs; r++) out[r] = layer.scale * Math.cos(2 * Math.PI * sums[r]!);
  else for (let r = 0; r < outputs; r++) out[r] = activate(layer.activation, sums[r]!);
};

const activate = (activation: Activation, v: number): number => {
  switch (activation) {
    case 'linear':
      return v;
    case 'relu':
      return Math.max(0, v);
    case 'tanh':
      return Math.tanh(v);
    case 'elu':
      return v > 0 ? v : Math.expm1(v);
    case 'selu':
      return SELU.lambda * (v > 0 ? v : SELU.alpha * Math.expm1(v));
  }
};
