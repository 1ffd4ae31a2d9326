/** The network in TensorFlow.js: a trunk of dense layers, and an output for the shown action as the product of the trunk with the action's embedding. */
import type * as Tf from '@tensorflow/tfjs-core';
import { sigmoid } from '../calibrator/platt.ts';
import { openTensorflow, type BackendName } from '../trunk/tensorflow.ts';
import type { Activation, DenseLayer } from '../trunk/trunk.ts';
import { registerGradients } from './gradients.ts';
import { gaussian, randomOf, shuffle } from '../random.ts';
import type { TrainingSet } from './training-set.ts';

export interface HyperParameters {
  /** Units of the layers before the trunk's last one. */
  readonly hidden: readonly number[];
  readonly activation: Exclude<Activation, 'linear'>;
  readonly learningRate: number;
  /** L2 penalty of all weights but biases. */
  readonly weightDecay: number;
  readonly batchRows: number;
}

export interface NetworkOptions extends HyperParameters {
  /** Units of the trunk's last layer: what stands beside x in φ. */
  readonly outputs: number;
  readonly seed: number;
  /** `logistic`: targets are rates, log-loss; `squared`: rewards, squared error. */
  readonly loss: 'logistic' | 'squared';
  readonly backend?: BackendName;
}

/** Column means and 1 / standard deviations of x over the rows that are fitted; a constant column gets 0. */
export interface Standardisation {
  readonly mean: Float32Array;
  readonly inverse: Float32Array;
}

/** Everything that a network has learned and its optimiser remembers: named arrays, for a checkpoint. */
export type NetworkState = Readonly<Record<string, Float32Array>>;

export interface Network {
  readonly backend: string;
  /**
   * One pass over `rows` in an order of its own (seed and `epoch`). Returns the mean training loss.
   *
   * @param keptNegatives share of the zeros that `rows` still holds: the output is corrected by −log of it, so that it predicts the full
   *   population's rate (King & Zeng 2001, prior correction)
   */
  fit(rows: Int32Array, epoch: number, keptNegatives: number): number;
  /** Rate or reward of each row's action. */
  predict(rows: Int32Array): Float32Array;
  state(): Promise<NetworkState>;
  restore(state: NetworkState): Promise<void>;
  /** The trunk's layers on standardised x. */
  layers(): readonly DenseLayer[];
  dispose(): void;
}

const PREDICT_ROWS = 4096;

export const createNetwork = async (set: TrainingSet, scale: Standardisation, options: NetworkOptions): Promise<Network> => {
  const { tf, backend } = await openTensorflow(options.backend);
  registerGradients(tf);
  const { hidden, outputs, activation, learningRate, weightDecay, batchRows, seed, loss } = options;
  const { columns, width } = columnsOfActions(set);
  const random = randomOf(seed, 1);
  const weights = (rows: number, columns: number, deviation: number): Tf.Variable =>
    tf.tidy(() =>
      tf.variable(
        tf.tensor2d(
          Float32Array.from({ length: rows * columns }, () => gaussian(random) * deviation),
          [rows, columns],
        ),
      ),
    );
  const widths = [set.xDims, ...hidden, outputs];
  const kernels = widths.slice(1).map((units, i) => weights(widths[i]!, units, Math.sqrt((activation === 'relu' ? 2 : 1) / widths[i]!)));
  const biases = widths.slice(1).map((units) => tf.tidy(() => tf.variable(tf.zeros([units]))));
  // An action begins where all others are: its embedding is the shared one, and what is its own starts at nothing.
  const embedding = tf.tidy(() => {
    const first = Float32Array.from({ length: width * outputs }, (_, i) => (i < outputs ? gaussian(random) / Math.sqrt(outputs) : 0));
    return tf.variable(tf.tensor2d(first, [width, outputs]));
  });
  const intercepts = tf.tidy(() => tf.variable(tf.tensor2d(firstIntercepts(set, width, loss), [width, 1])));
  const variables = [...kernels, ...biases, embedding, intercepts];
  const optimiser = tf.train.adam(learningRate);

  const trunk = (x: Tf.Tensor2D): Tf.Tensor2D =>
    kernels.reduce<Tf.Tensor2D>(
      (h, kernel, i) => apply(tf, activation, tf.add(tf.matMul(h, kernel as unknown as Tf.Tensor2D), biases[i]!)),
      x,
    );
  const forward = (x: Tf.Tensor2D, a: Tf.Tensor2D): Tf.Tensor1D => {
    const products = tf.sum(tf.mul(trunk(x), tf.matMul(a, embedding as unknown as Tf.Tensor2D)), 1);
    return tf.add(products, tf.reshape(tf.matMul(a, intercepts as unknown as Tf.Tensor2D), [-1]));
  };
  const batchOf = (rows: Int32Array) => {
    const { xDims } = set;
    const x = new Float32Array(rows.length * xDims);
    const a = new Float32Array(rows.length * width);
    for (let i = 0; i < rows.length; i++) {
      const from = rows[i]! * xDims;
      for (let j = 0; j < xDims; j++) x[i * xDims + j] = (set.x[from + j]! - scale.mean[j]!) * scale.inverse[j]!;
      const { index, value } = columns[set.action[rows[i]!]!]!;
      for (let k = 0; k < index.length; k++) a[i * width + index[k]!]! += value[k]!;
    }
    return { x: tf.tensor2d(x, [rows.length, xDims]), a: tf.tensor2d(a, [rows.length, width]) };
  };
  const step = (rows: Int32Array, offset: number): number =>
    tf.tidy(() => {
      const { x, a } = batchOf(rows);
      const y = tf.tensor1d(Float32Array.from(rows, (row) => set.target[row]!));
      const w = tf.tensor1d(Float32Array.from(rows, (row) => set.weight[row]!));
      const cost = optimiser.minimize(
        () => {
          const u = tf.add(forward(x, a), offset);
          const each = loss === 'logistic' ? tf.sub(tf.softplus(u), tf.mul(y, u)) : tf.mul(tf.square(tf.sub(u, y)), 0.5);
          const fitted = tf.mul(tf.sum(tf.mul(each, w)), 1 / rows.length);
          if (weightDecay === 0) return fitted as Tf.Scalar;
          const squares = [...kernels, embedding].map((kernel) => tf.sum(tf.square(kernel)));
          return tf.add<Tf.Scalar>(fitted, tf.mul(tf.addN(squares), weightDecay / 2));
        },
        true,
        variables,
      );
      return cost!.dataSync()[0]!;
    });

  return {
    backend,
    fit(rows, epoch, keptNegatives) {
      const order = shuffle(Int32Array.from(rows), randomOf(seed, 2, epoch));
      const offset = -Math.log(keptNegatives);
      let sum = 0;
      for (let from = 0; from < order.length; from += batchRows) {
        const batch = order.subarray(from, from + batchRows);
        sum += step(batch, offset) * batch.length;
      }
      return sum / order.length;
    },
    predict(rows) {
      const out = new Float32Array(rows.length);
      for (let from = 0; from < rows.length; from += PREDICT_ROWS) {
        const u = tf.tidy(() => {
          const { x, a } = batchOf(rows.subarray(from, from + PREDICT_ROWS));
          return forward(x, a).dataSync() as Float32Array;
        });
        out.set(loss === 'logistic' ? u.map(sigmoid) : u, from);
      }
      return out;
    },
    async state() {
      const state: Record<string, Float32Array> = {};
      for (const [i, variable] of variables.entries()) state[`v${i}`] = (variable.dataSync() as Float32Array).slice();
      for (const { name, tensor } of await optimiser.getWeights()) state[`o:${name}`] = Float32Array.from(tensor.dataSync());
      return state;
    },
    async restore(state) {
      for (const [i, variable] of variables.entries()) tf.tidy(() => variable.assign(tf.tensor(state[`v${i}`]!, variable.shape)));
      const remembered = Object.keys(state).filter((name) => name.startsWith('o:'));
      if (remembered.length === 0) return;
      // Adam keeps the number of its steps, then a first and a second moment of each variable.
      const tensors = remembered.map((key, i) => {
        const shape = i === 0 ? [] : variables[(i - 1) % variables.length]!.shape;
        return { name: key.slice(2), tensor: i === 0 ? tf.scalar(state[key]![0]!) : tf.tensor(state[key]!, shape) };
      });
      await optimiser.setWeights(tensors);
    },
    layers: () =>
      kernels.map((kernel, i) => ({
        kind: 'dense',
        inputs: widths[i]!,
        outputs: widths[i + 1]!,
        activation,
        w: (kernel.dataSync() as Float32Array).slice(),
        b: (biases[i]!.dataSync() as Float32Array).slice(),
      })),
    dispose() {
      optimiser.dispose();
      tf.dispose(variables);
    },
  };
};

const apply = (
  tf: Pick<typeof Tf, HyperParameters['activation']>,
  activation: HyperParameters['activation'],
  x: Tf.Tensor,
): Tf.Tensor2D => {
  switch (activation) {
    case 'relu':
      return tf.relu(x as Tf.Tensor2D);
    case 'tanh':
      return tf.tanh(x as Tf.Tensor2D);
    case 'elu':
      return tf.elu(x as Tf.Tensor2D);
    case 'selu':
      return tf.selu(x as Tf.Tensor2D);
  }
};

/** Column 0 is 1 for every action; the others are what the encoder says of one: its id and its profile. */
const columnsOfActions = ({ actions }: TrainingSet) => {
  const columnOf = new Map<number, number>();
  const columns = actions.map(({ part }) => {
    const index = [0];
    const value = [1];
    for (const [k, place] of part.index.entries()) {
      let column = columnOf.get(place);
      if (column === undefined) columnOf.set(place, (column = columnOf.size + 1));
      index.push(column);
      value.push(part.value[k]!);
    }
    return { index, value };
  });
  return { columns, width: columnOf.size + 1 };
};

/** The first prediction is the mean: with few positives the first epochs would else go into finding just that. */
const firstIntercepts = ({ target, weight }: TrainingSet, width: number, loss: NetworkOptions['loss']): Float32Array => {
  let sum = 0;
  let weights = 0;
  for (let i = 0; i < target.length; i++) {
    sum += weight[i]! * target[i]!;
    weights += weight[i]!;
  }
  const mean = weights === 0 ? 0 : sum / weights;
  const rate = Math.min(1 - 1e-4, Math.max(1e-4, mean));
  const first = new Float32Array(width);
  first[0] = loss === 'logistic' ? Math.log(rate / (1 - rate)) : mean;
  return first;
};
