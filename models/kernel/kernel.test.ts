import { expect, test } from 'vitest';
import { randomFourierFeatures } from '../trunk/random-fourier.ts';
import { openTensorflowTrunk } from '../trunk/tensorflow.ts';
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
