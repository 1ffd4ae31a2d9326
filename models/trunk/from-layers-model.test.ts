import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createPlainKernel } from '../kernel/kernel.ts';
import { openTensorflow, openTensorflowTrunk } from './tensorflow.ts';
import { trunkOfLayersModel } from './from-layers-model.ts';
import { randomFourierFeatures } from './random-fourier.ts';

const { tf } = await openTensorflow('wasm');
const layers = await import('@tensorflow/tfjs-layers');
type Model = ReturnType<typeof layers.sequential>;

/** model.json and its weights, as the converter and tf.LayersModel.save write them. */
const save = async (model: Pick<Model, 'save'>): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-trunk-'));
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const manifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      writeFileSync(join(dir, 'model.json'), JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: manifest }));
      writeFileSync(join(dir, 'weights.bin'), new Uint8Array(weightData as ArrayBuffer));
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return dir;
};

test('a network with normalisation, dropout and separate activations becomes the trunk before its own output, number for number', async () => {
  const model = layers.sequential({
    layers: [
      layers.layers.dense({ units: 12, inputShape: [8], kernelInitializer: layers.initializers.glorotNormal({ seed: 1 }) }),
      layers.layers.batchNormalization({ name: 'norm' }),
      layers.layers.activation({ activation: 'tanh' }),
      layers.layers.dropout({ rate: 0.5 }),
      layers.layers.dense({ units: 16, activation: 'elu', name: 'last', kernelInitializer: layers.initializers.glorotNormal({ seed: 2 }) }),
      layers.layers.dense({ units: 1, activation: 'sigmoid', name: 'output' }),
    ],
  });
  const vector = (n: number, from: number) => tf.tensor1d(Float32Array.from({ length: n }, (_, i) => from + Math.abs(Math.sin(i))));
  model.getLayer('norm').setWeights([vector(12, 0.5), vector(12, -1), vector(12, 0), vector(12, 0.3)]);
  const trunk = await trunkOfLayersModel(await save(model), { inputs: 8 });
  expect([trunk.inputs, trunk.outputs]).toEqual([8, 16]);
  const x = Float32Array.from({ length: 8 }, (_, i) => Math.cos(i * 3));
  const inner = layers.model({ inputs: model.inputs, outputs: model.getLayer('last').output });
  const expected = (inner.predict(tf.tensor2d(x, [1, 8])) as ReturnType<typeof vector>).dataSync();
  const kernel = createPlainKernel(trunk);
  kernel.x.set(x);
  kernel.features();
  for (let i = 0; i < 16; i++) expect(kernel.phi[8 + i]).toBeCloseTo(expected[i]!, 5);
  expect((await trunkOfLayersModel(await save(model), { inputs: 8, layer: 'norm' })).outputs).toBe(12);
});

test('what this project itself writes is read again', async () => {
  const trunk = randomFourierFeatures({ inputs: 8, outputs: 16, seed: 5, bandwidth: 1, norm: 1 });
  const opened = await openTensorflowTrunk(trunk, 'wasm');
  const artifacts = await opened.artifacts();
  opened.dispose();
  const dir = await save({ save: async (handler) => (handler as never as { save(a: unknown): Promise<never> }).save(artifacts) });
  expect(await trunkOfLayersModel(dir, { inputs: 8, layer: 'random_fourier_features' })).toEqual(trunk);
});

test('each fault names its layer', async () => {
  const chain = (...made: ReturnType<typeof layers.layers.dense>[]) => save(layers.sequential({ layers: made }));
  const out = () => layers.layers.dense({ units: 1, name: 'output' });
  const fault = (dir: string, more: object = {}) =>
    trunkOfLayersModel(dir, { inputs: 8, ...more }).then(
      () => '',
      (error: Error) => error.message,
    );
  const first = (activation: 'relu' | 'softmax') => layers.layers.dense({ units: 4, inputShape: [8], activation, name: 'first' });
  expect(await fault(await chain(first('softmax'), out()))).toBe(
    "layer 'first' has the activation softmax; a trunk knows linear, relu, tanh, elu, selu",
  );
  expect(await fault(await chain(first('relu'), out()), { inputs: 16 })).toBe(
    "layer 'first' takes 8 inputs, but the encoder gives x of 16 dimensions",
  );
  expect(await fault(await chain(first('relu'), out()), { layer: 'nowhere' })).toBe(
    "layer 'nowhere' is not in the model; its layers are first, output",
  );
  const reshaped = await chain(
    first('relu'),
    layers.layers.reshape({ targetShape: [2, 2], name: 'square' }) as never,
    layers.layers.flatten() as never,
    out(),
  );
  expect(await fault(reshaped)).toContain("layer 'square' is a Reshape; a trunk is made of");
  expect(await fault(join(tmpdir(), 'no-such-folder'))).toMatch(/model\.json is not a TensorFlow\.js LayersModel/);
});
