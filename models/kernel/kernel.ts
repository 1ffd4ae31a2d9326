/** What computes a trunk and the heads' dot products: the WASM SIMD kernel, or plain loops where SIMD is absent. Same laws. */
import type { TrunkWeights } from '../trunk/random-fourier.ts';
import { kernelBytes } from './kernel-source.ts';
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

export const strideOf = ({ inputs, outputs }: TrunkWeights): number => Math.ceil((inputs + outputs) / 8) * 8;

export const createKernel = (trunk: TrunkWeights, maxHeads = 512): Kernel => {
  try {
    return createWasmKernel(trunk, maxHeads);
  } catch {
    return createPlainKernel(trunk);
  }
};

/** Throws where SIMD is not supported, or on an odd shape. @param trunk outputs a multiple of 8 */
export const createWasmKernel = (trunk: TrunkWeights, maxHeads: number): Kernel => {
  const { inputs, outputs, scale } = trunk;
  if (outputs % 8 !== 0 || inputs % 4 !== 0) throw new RangeError(`the kernel takes multiples of 4 and 8, not ${inputs} and ${outputs}`);
  const stride = strideOf(trunk);
  let size = 0;
  const place = (floats: number): number => {
    const at = size;
    size = Math.ceil((size + floats * 4) / 16) * 16;
    return at;
  };
  const phi = place(stride);
  const x = phi;
  const w = place(inputs * outputs);
  const b = place(outputs);
  const rows = place(KERNEL_CAPACITY);
  const out = place(KERNEL_CAPACITY);
  const heads = place(stride * maxHeads);
  const instance = new webAssembly.Instance(new webAssembly.Module(kernelBytes(Math.ceil(size / 65536))));
  const exported = instance.exports as {
    memory: { readonly buffer: ArrayBuffer };
    features(x: number, xEnd: number, w: number, b: number, out: number, rowBytes: number, scale: number): void;
    dots(phi: number, rowBytes: number, rows: number, heads: number, out: number, outEnd: number): void;
  };
  const { buffer } = exported.memory;
  new Float32Array(buffer, w, trunk.w.length).set(trunk.w);
  new Float32Array(buffer, b, outputs).set(trunk.b);
  const headArea = new Float32Array(buffer, heads, stride * maxHeads);
  let current: Float32Array | null = null;
  return {
    kind: 'wasm-simd',
    stride,
    x: new Float32Array(buffer, x, inputs),
    phi: new Float32Array(buffer, phi, stride),
    rows: new Int32Array(buffer, rows, KERNEL_CAPACITY),
    dots: new Float32Array(buffer, out, KERNEL_CAPACITY),
    use(next) {
      if (next === current) return;
      headArea.set(next);
      current = next;
    },
    features: () => exported.features(x, x + inputs * 4, w, b, phi + inputs * 4, outputs * 4, scale),
    multiply: (count) => {
      if (count > 0) exported.dots(phi, stride * 4, rows, heads, out, out + count * 4);
    },
  };
};

export const createPlainKernel = (trunk: TrunkWeights): Kernel => {
  const { inputs, outputs, w, b, scale } = trunk;
  const stride = strideOf(trunk);
  const phi = new Float32Array(stride);
  const x = phi.subarray(0, inputs);
  const turns = new Float64Array(outputs);
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
      turns.set(b);
      for (let c = 0; c < inputs; c++) {
        const value = x[c]!;
        if (value === 0) continue;
        const at = c * outputs;
        for (let r = 0; r < outputs; r++) turns[r]! += value * w[at + r]!;
      }
      for (let r = 0; r < outputs; r++) phi[inputs + r] = scale * Math.cos(2 * Math.PI * turns[r]!);
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
