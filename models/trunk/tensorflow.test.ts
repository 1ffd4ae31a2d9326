import { expect, test } from 'vitest';
import { randomFourierFeatures } from './random-fourier.ts';
import { openTensorflowTrunk } from './tensorflow.ts';

const trunk = randomFourierFeatures({ inputs: 8, outputs: 16, seed: 7, bandwidth: 1, norm: 1 });

test('trunks that are opened at the same moment, one a loop, share one backend', async () => {
  const opened = await Promise.all(Array.from({ length: 4 }, () => openTensorflowTrunk(trunk)));
  expect(new Set(opened.map(({ backend }) => backend)).size).toBe(1);
  const x = Float32Array.from({ length: 8 }, (_, i) => i / 8);
  const [first, ...others] = opened.map((one) => [...one.predict(x, 1)]);
  for (const other of others) expect(other).toEqual(first);
  for (const one of opened) one.dispose();
});
