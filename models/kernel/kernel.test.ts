import { expect, test } from 'vitest';
import { randomFourierFeatures } from '../trunk/random-fourier.ts';
import { openTensorflowTrunk } from '../trunk/tensorflow.ts';
import { ACTIVATIONS, trunkOf, type DenseLayer } from '../trunk/trunk.ts';
import { createPlainKernel, createWasmKernel } from './kernel.ts';

const trunk = randomFourierFeatures({ inputs: 64, outputs: 256, seed: 7, bandwidth: 1, norm: 1 });
const x = Float32Array.from({ length: 64 }, (_, i) => (i % 4 === 0 ? 0 : Math.sin(i * 7.3) * 3));

test('the SIMD kernel, the plain loops and TensorFlow.js agree within 1e-5', async () => {
  const wasm = createWasmKernel(trunk, 8);
  const plain = createPlainKernel(trunk);
  const tensorflow = await openTensorflowTrunk(trunk, 'wasm');
  expect(tensorflow.backend).toBe('wasm');
  const reference = tensorflow.predict(x, 1);
  for (const kernel of [wasm, plain]) {
    kernel.x.set(x);
    kernel.features();
    for (let i = 0; i < 256; i++) expect(Math.abs(kernel.phi[64 + i]! - reference[i]!)).toBeLessThan(1e-5);
  }
  tensorflow.dispose();
});

const dense = (inputs: number, outputs: number, activation: DenseLayer['activation']): DenseLayer => ({
  kind: 'dense',
  inputs,
  outputs,
  activation,
  w: Float32Array.from({ length: inputs * outputs }, (_, i) => Math.sin(i * 1.7) / Math.sqrt(inputs)),
  b: Float32Array.from({ length: outputs }, (_, i) => Math.cos(i) / 4),
});

test.each([
  ...ACTIVATIONS.map((activation) => [`64 → 37 → 20, ${activation}`, [dense(64, 37, activation), dense(37, 20, activation)]] as const),
  [
    '64 → 16 → Fourier 24',
    [dense(64, 16, 'relu'), randomFourierFeatures({ inputs: 16, outputs: 24, seed: 3, bandwidth: 1, norm: 1 }).layers[0]!],
  ],
] as const)(
  'a trunk of layers (%s) is the same in SIMD, in plain loops and in TensorFlow.js, from tiny inputs to huge ones',
  async (_name, layers) => {
    const layered = trunkOf(layers);
    const tensorflow = await openTensorflowTrunk(layered, 'wasm');
    for (const kernel of [createWasmKernel(layered, 8), createPlainKernel(layered)]) {
      for (const size of [0, 1e-4, 1, 30, 1e4]) {
        const input = x.map((value) => value * size);
        const expected = tensorflow.predict(input, 1);
        kernel.x.set(input);
        kernel.features();
        const largest = Math.max(1, ...expected.map(Math.abs));
        const furthest = Math.max(...expected.map((value, i) => Math.abs(kernel.phi[64 + i]! - value))) / largest;
        // The waves of huge inputs turn a rounding of the layer before into another angle.
        expect([size, furthest < (size > 1 && layers.at(-1)!.kind === 'fourier' ? 2e-2 : 1e-5)]).toEqual([size, true]);
        expect([...kernel.phi.subarray(64 + layered.outputs)].every((value) => value === 0)).toBe(true);
      }
    }
    tensorflow.dispose();
  },
);

test('dot products of the kernel follow the rows that were asked for', () => {
  const wasm = createWasmKernel(trunk, 8);
  const plain = createPlainKernel(trunk);
  const heads = Float32Array.from({ length: 320 * 8 }, (_, i) => Math.cos(i));
  for (const kernel of [wasm, plain]) {
    kernel.use(heads);
    kernel.x.set(x);
    kernel.features();
    kernel.rows.set([3, 0, 7, 3, 5]);
    kernel.multiply(5);
  }
  for (let i = 0; i < 5; i++) expect(wasm.dots[i]).toBeCloseTo(plain.dots[i]!, 3);
  expect(wasm.dots[0]).toBe(wasm.dots[3]);
});

test("the trunk is kept in TensorFlow.js's own format with its registered layer", async () => {
  const tensorflow = await openTensorflowTrunk(trunk, 'cpu');
  const artifacts = await tensorflow.artifacts();
  expect(JSON.stringify(artifacts.modelTopology)).toContain('RandomFourierFeatures');
  expect(artifacts.weightSpecs!.map(({ shape }) => shape)).toEqual([[64, 256], [256]]);
  tensorflow.dispose();
});
