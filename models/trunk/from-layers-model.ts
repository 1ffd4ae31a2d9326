/** A trunk of somebody else's: a TensorFlow.js LayersModel in a folder, or a converted Keras model, read layer by layer. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import type * as TfLayers from '@tensorflow/tfjs-layers';
import { AttuneError } from '#contracts';
import { openTensorflow, registerFourierLayer } from './tensorflow.ts';
import { ACTIVATIONS, trunkOf, type Activation, type DenseLayer, type Trunk, type TrunkLayer } from './trunk.ts';

export interface LayersModelOptions {
  /** The encoder's x: what the first layer must take. */
  readonly inputs: number;
  /** Name of the layer whose output stands beside x in φ. Default: the one before the last dense layer, which is the network's own output. */
  readonly layer?: string | undefined;
}

type Layer = TfLayers.layers.Layer;

/** Widest layer that the serving kernel is meant for. */
const WIDEST = 1_024;

/**
 * Dense layers and RandomFourierFeatures; Activation and ReLU that follow one; BatchNormalization, as the affine map that it is when it
 * serves; Dropout and the like, which do nothing then. Throws `trunk.unreadable` for files, `trunk.unsupported` naming the layer at fault.
 */
export const trunkOfLayersModel = async (path: string, { inputs, layer: wanted }: LayersModelOptions): Promise<Trunk> => {
  const model = await load(path);
  try {
    const chain = chainOf(model);
    const kept = chain.slice(0, endOf(chain, wanted));
    const layers = kept.reduce<TrunkLayer[]>((before, layer) => append(before, layer), []);
    const [first] = layers;
    if (first === undefined) throw unsupported(wanted ?? 'the model', 'has no dense layer before the one that was asked for');
    if (first.inputs !== inputs)
      throw unsupported(kept.find(hasWeights)!.name, `takes ${first.inputs} inputs, but the encoder gives x of ${inputs} dimensions`);
    return trunkOf(layers);
  } finally {
    model.dispose();
  }
};

const load = async (path: string): Promise<TfLayers.LayersModel> => {
  await openTensorflow();
  const layers = await import('@tensorflow/tfjs-layers');
  await registerFourierLayer();
  const file = path.endsWith('.json') ? path : join(path, 'model.json');
  try {
    const json = JSON.parse(await readFile(file, 'utf8')) as io.ModelJSON;
    const groups = json.weightsManifest ?? [];
    const parts = await Promise.all(groups.flatMap(({ paths }) => paths.map((name) => readFile(join(dirname(file), name)))));
    const weights = Buffer.concat(parts);
    return await layers.loadLayersModel({
      load: async () => ({
        modelTopology: json.modelTopology,
        format: json.format ?? 'layers-model',
        weightSpecs: groups.flatMap(({ weights: specs }) => specs),
        weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
      }),
    });
  } catch (cause) {
    throw new AttuneError('trunk.unreadable', `${file} is not a TensorFlow.js LayersModel that can be read: ${(cause as Error).message}`, {
      cause,
    });
  }
};

/** One after another: a trunk has no branches. */
const chainOf = (model: TfLayers.LayersModel): readonly Layer[] => {
  if (model.inputs.length !== 1) throw unsupported(model.name, `has ${model.inputs.length} inputs, not one`);
  for (const layer of model.layers)
    if (layer.inboundNodes.length !== 1 || layer.inboundNodes[0]!.inboundLayers.length > 1)
      throw unsupported(layer.name, 'joins several layers or is used more than once: a trunk is a chain');
  return model.layers;
};

/** How many layers of the chain belong to the trunk. */
const endOf = (chain: readonly Layer[], wanted: string | undefined): number => {
  if (wanted !== undefined) {
    const at = chain.findIndex(({ name }) => name === wanted);
    if (at < 0) throw unsupported(wanted, `is not in the model; its layers are ${chain.map(({ name }) => name).join(', ')}`);
    // Its activation may stand in a layer of its own.
    return at + 1;
  }
  const dense = chain.findLastIndex((layer) => layer.getClassName() === 'Dense');
  if (dense < 0) throw unsupported('the model', 'has no dense layer');
  return dense;
};

const NOTHING_WHEN_SERVING = new Set([
  'InputLayer',
  'Dropout',
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
  'ActivityRegularization',
]);

const hasWeights = (layer: Layer): boolean => layer.getWeights().length > 0;

const append = (before: TrunkLayer[], layer: Layer): TrunkLayer[] => {
  const kind = layer.getClassName();
  const config = layer.getConfig();
  if (NOTHING_WHEN_SERVING.has(kind)) return before;
  if (kind === 'Dense') return [...before, dense(layer, activationOf(layer, config['activation'] as string))];
  if (kind === 'RandomFourierFeatures') return [...before, fourier(layer, Number(config['scale']))];
  if (kind === 'Activation') return activated(before, layer, activationOf(layer, config['activation'] as string));
  if (kind === 'ReLU') {
    if (typeof (config['maxValue'] ?? config['max_value']) === 'number') throw unsupported(layer.name, 'is a ReLU with an upper bound');
    return activated(before, layer, 'relu');
  }
  if (kind === 'BatchNormalization') return [...before, normalisation(layer, config)];
  throw unsupported(
    layer.name,
    `is a ${kind}; a trunk is made of Dense, Activation, ReLU, BatchNormalization, Dropout and RandomFourierFeatures`,
  );
};

const dense = (layer: Layer, activation: Activation): DenseLayer => {
  const [w, b] = layer.getWeights();
  const [inputs, outputs] = w!.shape as [number, number];
  refuseWide(layer, outputs);
  const bias = b === undefined ? new Float32Array(outputs) : finite(layer, b.dataSync() as Float32Array);
  return { kind: 'dense', inputs, outputs, activation, w: finite(layer, w!.dataSync() as Float32Array), b: bias };
};

const fourier = (layer: Layer, scale: number): TrunkLayer => {
  const [w, b] = layer.getWeights();
  const [inputs, outputs] = w!.shape as [number, number];
  refuseWide(layer, outputs);
  if (outputs % 8 !== 0) throw unsupported(layer.name, `has ${outputs} units; Fourier features come in multiples of 8`);
  return {
    kind: 'fourier',
    inputs,
    outputs,
    scale,
    w: finite(layer, w!.dataSync() as Float32Array),
    b: finite(layer, b!.dataSync() as Float32Array),
  };
};

/** γ (x − μ) / √(σ² + ε) + β as a diagonal dense layer. */
const normalisation = (layer: Layer, config: Readonly<Record<string, unknown>>): DenseLayer => {
  const weights = layer.getWeights().map((weight) => finite(layer, weight.dataSync() as Float32Array));
  const [scale, center] = [config['scale'] !== false, config['center'] !== false];
  const [gamma, beta] = [scale ? weights.shift()! : null, center ? weights.shift()! : null];
  const [mean, variance] = weights as [Float32Array, Float32Array];
  const d = mean.length;
  const w = new Float32Array(d * d);
  const b = new Float32Array(d);
  for (let i = 0; i < d; i++) {
    const factor = (gamma?.[i] ?? 1) / Math.sqrt(variance[i]! + Number(config['epsilon']));
    w[i * d + i] = factor;
    b[i] = (beta?.[i] ?? 0) - factor * mean[i]!;
  }
  return { kind: 'dense', inputs: d, outputs: d, activation: 'linear', w, b };
};

const activated = (before: TrunkLayer[], layer: Layer, activation: Activation): TrunkLayer[] => {
  const last = before.at(-1);
  if (activation === 'linear') return before;
  if (last?.kind !== 'dense' || last.activation !== 'linear')
    throw unsupported(layer.name, 'must follow a dense layer without an activation of its own');
  return [...before.slice(0, -1), { ...last, activation }];
};

const activationOf = (layer: Layer, name: string): Activation => {
  const found = ACTIVATIONS.find((activation) => activation === name);
  if (found === undefined) throw unsupported(layer.name, `has the activation ${name}; a trunk knows ${ACTIVATIONS.join(', ')}`);
  return found;
};

const refuseWide = (layer: Layer, outputs: number): void => {
  if (outputs > WIDEST) throw unsupported(layer.name, `has ${outputs} units, more than ${WIDEST}`);
};

const finite = (layer: Layer, values: Float32Array): Float32Array => {
  if (!values.every(Number.isFinite)) throw unsupported(layer.name, 'has weights that are not finite numbers');
  return values.slice();
};

const unsupported = (layer: string, why: string): AttuneError => new AttuneError('trunk.unsupported', `layer '${layer}' ${why}`);
