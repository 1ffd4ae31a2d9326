/** The trunk in TensorFlow.js's own format: a LayersModel of dense layers and a registered layer of random Fourier features. The reference of every kernel. */
import { createRequire } from 'node:module';
import type { Trunk, TrunkLayer } from './trunk.ts';

type Tensorflow = typeof import('@tensorflow/tfjs-core');
type Layers = typeof import('@tensorflow/tfjs-layers');

export interface TensorflowTrunk {
  /** 'tensorflow' (native), 'wasm' or 'cpu'. */
  readonly backend: string;
  /** One row of x after another → one row of the trunk's outputs after another. */
  predict(x: Float32Array, rows: number): Float32Array;
  /** model.json's topology and the weights: what tf.loadLayersModel takes. */
  artifacts(): Promise<import('@tensorflow/tfjs-core').io.ModelArtifacts>;
  dispose(): void;
}

export type BackendName = 'tensorflow' | 'wasm' | 'cpu';

/** TensorFlow.js with the backend chosen and checked; what it is called. `prefer` falls back to plain JavaScript alone. */
export const openTensorflow = async (prefer?: BackendName): Promise<{ readonly tf: Tensorflow; readonly backend: string }> => {
  const tf = await import('@tensorflow/tfjs-core');
  return { tf, backend: await backendFor(tf, prefer) };
};

/** Native where it is installed and agrees with arithmetic, else WebAssembly, else plain JavaScript. */
export const openTensorflowTrunk = async (trunk: Trunk, prefer?: BackendName): Promise<TensorflowTrunk> => {
  const { tf, backend } = await openTensorflow(prefer);
  const layers = await import('@tensorflow/tfjs-layers');
  const model = createModel(tf, layers, trunk);
  return {
    backend,
    predict: (x, rows) =>
      tf.tidy(() => {
        const out = model.predict(tf.tensor2d(x, [rows, trunk.inputs])) as import('@tensorflow/tfjs-core').Tensor;
        return out.dataSync() as Float32Array;
      }),
    async artifacts() {
      let kept: import('@tensorflow/tfjs-core').io.ModelArtifacts | undefined;
      await model.save(
        tf.io.withSaveHandler(async (artifacts) => {
          kept = artifacts;
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
        }),
      );
      return kept!;
    },
    dispose: () => void model.dispose(),
  };
};

let chosen: { readonly prefer: BackendName | undefined; readonly backend: Promise<string> } | undefined;

/** One backend serves the whole process: chosen once, since two that choose at the same time take it from each other. */
const backendFor = (tf: Tensorflow, prefer?: BackendName): Promise<string> => {
  if (chosen !== undefined && chosen.prefer === prefer) return chosen.backend;
  const before = chosen?.backend.catch(() => {}) ?? Promise.resolve();
  const choice = { prefer, backend: before.then(() => selectBackend(tf, prefer)) };
  chosen = choice;
  choice.backend.catch(() => {
    if (chosen === choice) chosen = undefined;
  });
  return choice.backend;
};

const selectBackend = async (tf: Tensorflow, prefer?: BackendName): Promise<string> => {
  const order: readonly BackendName[] = prefer === undefined ? ['tensorflow', 'wasm', 'cpu'] : [prefer, 'cpu'];
  for (const name of order) {
    if ((await loadBackend(name)) && (await tf.setBackend(name)) && selfCheck(tf)) return tf.getBackend();
  }
  throw new Error('no TensorFlow.js backend passes its self-check');
};

/** It may not be installed, so the compiler must not look for it. */
const OPTIONAL: string = '@tensorflow/tfjs-node';

const BACKENDS: { readonly [N in BackendName]: () => Promise<unknown> } = {
  tensorflow: () => {
    restoreRemovedUtil();
    return import(OPTIONAL);
  },
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
  cpu: () => import('@tensorflow/tfjs-backend-cpu'),
};

/** tfjs-node 4.22 calls `util.isNullOrUndefined`, which Node 23 took away (tensorflow/tfjs#8609 is open); without it no kernel runs. */
const restoreRemovedUtil = (): void => {
  const util = createRequire(import.meta.url)('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
};

const loadBackend = async (name: BackendName): Promise<boolean> => {
  try {
    await BACKENDS[name]();
    return true;
  } catch {
    return false;
  }
};

const selfCheck = (tf: Tensorflow): boolean =>
  tf.tidy(() => {
    const out = tf.cos(tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([0.5, -1, 0.25, 2], [2, 2]))).dataSync();
    return [1, 3, 2.5, 5].every((z, i) => Math.abs(out[i]! - Math.cos(z)) < 1e-4);
  });

type LayersModel = import('@tensorflow/tfjs-layers').LayersModel;
type Layer = import('@tensorflow/tfjs-layers').layers.Layer;
type Symbolic = import('@tensorflow/tfjs-layers').SymbolicTensor;

const createModel = (tf: Tensorflow, layers: Layers, trunk: Trunk): LayersModel => {
  const input = layers.input({ shape: [trunk.inputs] });
  const made = trunk.layers.map((layer, i) => createLayer(tf, layers, layer, i));
  const output = made.reduce<Symbolic>((x, layer) => layer.apply(x) as Symbolic, input);
  const model = layers.model({ inputs: input, outputs: output });
  for (const [i, { w, b, inputs, outputs }] of trunk.layers.entries()) {
    const weights = [tf.tensor2d(w, [inputs, outputs]), tf.tensor1d(b)];
    made[i]!.setWeights(weights);
    tf.dispose(weights);
  }
  return model;
};

const createLayer = (tf: Tensorflow, layers: Layers, layer: TrunkLayer, i: number): Layer => {
  if (layer.kind === 'dense') return layers.layers.dense({ units: layer.outputs, activation: layer.activation, name: `dense_${i}` });
  const name = i === 0 ? 'random_fourier_features' : `random_fourier_features_${i}`;
  return new (fourierLayer(tf, layers))({ units: layer.outputs, scale: layer.scale, name });
};

/** So that tf.loadLayersModel knows the layer. */
export const registerFourierLayer = async (): Promise<void> => {
  fourierLayer(await import('@tensorflow/tfjs-core'), await import('@tensorflow/tfjs-layers'));
};

type LayerClass = new (config: { units: number; scale: number; name?: string }) => import('@tensorflow/tfjs-layers').layers.Layer;
let registered: LayerClass | undefined;

/** φ = scale · cos(2π (x W + b)); registered, so that tf.loadLayersModel knows it by name. */
const fourierLayer = (tf: Tensorflow, layers: Layers): LayerClass => {
  if (registered !== undefined) return registered;
  class RandomFourierFeatures extends layers.layers.Layer {
    static readonly className = 'RandomFourierFeatures';
    readonly units: number;
    readonly factor: number;
    #w: ReturnType<typeof this.addWeight> | undefined;
    #b: ReturnType<typeof this.addWeight> | undefined;

    constructor(config: { units: number; scale: number; name?: string }) {
      super(config);
      this.units = config.units;
      this.factor = config.scale;
    }

    override build(shape: unknown): void {
      const inputs = (shape as number[]).at(-1)!;
      this.#w = this.addWeight('w', [inputs, this.units], 'float32', layers.initializers.zeros(), undefined, false);
      this.#b = this.addWeight('b', [this.units], 'float32', layers.initializers.zeros(), undefined, false);
      this.built = true;
    }

    override computeOutputShape(shape: unknown): number[] {
      return [(shape as number[])[0]!, this.units];
    }

    override call(inputs: unknown): import('@tensorflow/tfjs-core').Tensor {
      const x = (Array.isArray(inputs) ? inputs[0] : inputs) as import('@tensorflow/tfjs-core').Tensor2D;
      return tf.tidy(() => {
        const turns = tf.add(tf.matMul(x, this.#w!.read() as import('@tensorflow/tfjs-core').Tensor2D), this.#b!.read());
        return tf.mul(tf.cos(tf.mul(turns, 2 * Math.PI)), this.factor);
      });
    }

    override getConfig(): import('@tensorflow/tfjs-core').serialization.ConfigDict {
      return { ...super.getConfig(), units: this.units, scale: this.factor };
    }
  }
  tf.serialization.registerClass(RandomFourierFeatures);
  registered = RandomFourierFeatures as unknown as LayerClass;
  return registered;
};
