import { expect, test } from 'vitest';
import { openTensorflow } from '../trunk/tensorflow.ts';
import { registerGradients } from './gradients.ts';

const { tf } = await openTensorflow('wasm');
registerGradients(tf);

const values = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 3.7 + seed) + 0.05);

test.each(['relu', 'tanh', 'elu', 'selu', 'softplus', 'square'] as const)(
  'the gradient of a layer with %s, a bias, a product, sums and differences is the difference quotient',
  (activation) => {
    const x = tf.tensor2d(values(12, 1), [3, 4]);
    const e = tf.tensor2d(values(6, 2), [3, 2]);
    const cost = (w: Float32Array, b: Float32Array) => {
      const h = tf[activation](tf.add(tf.matMul(x, tf.tensor2d(w, [4, 2])), tf.tensor1d(b)));
      return { h, total: tf.sum(tf.square(tf.sub(tf.sum(tf.mul(h, e), 1), 0.3))) };
    };
    const w = tf.variable(tf.tensor2d(values(8, 3), [4, 2]));
    const b = tf.variable(tf.tensor1d(values(2, 4)));
    const { grads } = tf.variableGrads(
      () => {
        const h = tf[activation](tf.add<ReturnType<typeof tf.zeros>>(tf.matMul(x, w as never), b));
        const fitted = tf.sum(tf.square(tf.sub(tf.reshape(tf.sum(tf.mul(h, e), 1), [3]), 0.3)));
        return tf.addN([fitted, tf.sum(tf.mul(tf.square(w), 0.5))]) as never;
      },
      [w, b] as never,
    );
    for (const [name, variable] of [
      [w.name, w],
      [b.name, b],
    ] as const) {
      const analytic = grads[name]!.dataSync();
      for (let i = 0; i < analytic.length; i++) {
        const at = (step: number) => {
          const [ws, bs] = [Float32Array.from(w.dataSync()), Float32Array.from(b.dataSync())];
          const moved = variable === w ? ws : bs;
          moved[i]! += step;
          return cost(ws, bs).total.dataSync()[0]! + ws.reduce((sum, v) => sum + (v * v) / 2, 0);
        };
        const quotient = (at(5e-3) - at(-5e-3)) / 1e-2;
        expect(Math.abs(analytic[i]! - quotient)).toBeLessThan(0.02 * Math.max(1, Math.abs(quotient)));
      }
    }
  },
);
