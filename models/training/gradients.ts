/**
 * The gradients that the network needs. TensorFlow.js registers its own only in its union package, which also brings a WebGL backend,
 * converters and data sources; the core's bundle for Node comes without any, and these are a dozen lines of calculus.
 */
import type * as Tf from '@tensorflow/tfjs-core';

type Tensorflow = Omit<typeof Tf, 'default'>;
type Gradient = Omit<Tf.GradConfig, 'kernelName'>;

/** Once a process; what is registered already (by the native backend's package) stays. */
export const registerGradients = (tf: Tensorflow): void => {
  for (const [kernelName, gradient] of Object.entries(gradients(tf)))
    if (tf.getGradient(kernelName) === undefined) tf.registerGradient({ kernelName, ...gradient });
};

const SELU = { alpha: 1.6732632423543772, lambda: 1.0507009873554805 } as const;

const gradients = (tf: Tensorflow): Readonly<Record<string, Gradient>> => {
  /** Back to the shape that was broadcast. */
  const reduced = (dy: Tf.Tensor, shape: number[]): Tf.Tensor => {
    const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape);
    return tf.reshape(axes.length > 0 ? tf.sum(dy, axes) : dy, shape);
  };
  const of = (dy: Tf.Tensor | Tf.Tensor[]): Tf.Tensor => dy as Tf.Tensor;
  const unary = (save: 'x' | 'y', derivative: (saved: Tf.Tensor) => Tf.Tensor): Gradient => ({
    ...(save === 'x' ? { inputsToSave: ['x'] } : { outputsToSave: [true] }),
    gradFunc: (dy, saved) => ({ x: () => tf.mul(of(dy), derivative(saved[0]!)) }),
  });
  const linear = (a: number, b: number): Gradient => ({
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved) => ({
      a: () => reduced(tf.mul(of(dy), a), saved[0]!.shape),
      b: () => reduced(tf.mul(of(dy), b), saved[1]!.shape),
    }),
  });
  return {
    Add: linear(1, 1),
    Sub: linear(1, -1),
    Multiply: {
      inputsToSave: ['a', 'b'],
      gradFunc: (dy, saved) => ({
        a: () => reduced(tf.mul(of(dy), saved[1]!), saved[0]!.shape),
        b: () => reduced(tf.mul(of(dy), saved[0]!), saved[1]!.shape),
      }),
    },
    // d(AB) = dA B + A dB
    BatchMatMul: {
      inputsToSave: ['a', 'b'],
      gradFunc: (dy, saved) => ({
        a: () => tf.matMul(of(dy), saved[1]!, false, true),
        b: () => tf.matMul(saved[0]!, of(dy), true, false),
      }),
    },
    Sum: {
      inputsToSave: ['x'],
      gradFunc: (dy, saved, attributes) => ({
        x: () => {
          const { shape } = saved[0]!;
          const axes = tf.util.parseAxisParam(attributes['axis'] as unknown as number[], shape);
          const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size));
          return tf.mul(tf.reshape(of(dy), kept), tf.ones(shape));
        },
      }),
    },
    AddN: {
      saveAllInputs: true,
      gradFunc: (dy, saved) => Object.fromEntries(saved.map((_, i) => [String(i), () => tf.clone(of(dy))])),
    },
    Reshape: { inputsToSave: ['x'], gradFunc: (dy, saved) => ({ x: () => tf.reshape(of(dy), saved[0]!.shape) }) },
    Square: unary('x', (x) => tf.mul(x, 2)),
    Softplus: unary('x', (x) => tf.sigmoid(x)),
    Relu: unary('x', (x) => tf.step(x)),
    Tanh: unary('y', (y) => tf.sub(1, tf.square(y))),
    // eˣ where x ≤ 0, which is y + 1
    Elu: unary('y', (y) => tf.add(tf.minimum(y, 0), 1)),
    Selu: unary('x', (x) => {
      const positive = tf.step(x);
      const below = tf.mul(tf.exp(tf.minimum(x, 0)), tf.sub(1, positive));
      return tf.mul(tf.add(positive, tf.mul(below, SELU.alpha)), SELU.lambda);
    }),
  };
};
