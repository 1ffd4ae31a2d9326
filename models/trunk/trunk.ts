/** A trunk as plain data: layers one after another, from x to the part of φ that stands beside x. */

/** All that a dense layer may do to x W + b. */
export const ACTIVATIONS = ['linear', 'relu', 'tanh', 'elu', 'selu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

interface Weights {
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs][outputs], row of an input contiguous. */
  readonly w: Float32Array;
  readonly b: Float32Array;
}

/** activation(x W + b). */
export interface DenseLayer extends Weights {
  readonly kind: 'dense';
  readonly activation: Activation;
}

/** scale · cos(2π (x W + b)): weights in turns, so that the kernel's range reduction is one rounding. Outputs a multiple of 8. */
export interface FourierLayer extends Weights {
  readonly kind: 'fourier';
  readonly scale: number;
}

export type TrunkLayer = DenseLayer | FourierLayer;

export interface Trunk {
  readonly inputs: number;
  /** Of the last layer. */
  readonly outputs: number;
  /** At least one; each takes what the one before gives. */
  readonly layers: readonly TrunkLayer[];
}

export const trunkOf = (layers: readonly TrunkLayer[]): Trunk => ({ inputs: layers[0]!.inputs, outputs: layers.at(-1)!.outputs, layers });
