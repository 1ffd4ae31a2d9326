import { expect, test } from 'vitest';
import { genericEncoder } from './encoder/compile-encoder.ts';
import { randomFourierFeatures } from './trunk/random-fourier.ts';
import { trunkOf } from './trunk/trunk.ts';
import { packVersion, unpackVersion, versionOf } from './version-blob.ts';

const fourier = randomFourierFeatures({ inputs: 8, outputs: 8, seed: 1, bandwidth: 0.5, norm: 1 });

test('model zero keeps the name that it had before there were other trunks', () => {
  const blob = packVersion({ loop: 'prices', encoder: genericEncoder(), trunk: fourier });
  expect(versionOf(blob)).toBe('54c75297aaef1b3c');
  expect(unpackVersion(blob).trunk).toEqual(fourier);
});

test('a trunk of layers comes back as it was, under a name of its own', () => {
  const layer = (outputs: number) => ({
    kind: 'dense' as const,
    inputs: 8,
    outputs,
    activation: 'tanh' as const,
    w: Float32Array.from({ length: 8 * outputs }, (_, i) => i),
    b: new Float32Array(outputs).fill(0.5),
  });
  const trunk = trunkOf([layer(8), layer(3)]);
  const blob = packVersion({ loop: '', encoder: genericEncoder(), trunk });
  expect(unpackVersion(blob)).toEqual({ loop: '', encoder: genericEncoder(), trunk, memory: undefined });
  expect(versionOf(packVersion({ loop: '', encoder: genericEncoder(), trunk: trunkOf([...trunk.layers, ...fourier.layers]) }))).not.toBe(
    versionOf(blob),
  );
});

test('a memory is part of the version, and a version that names none is the one of before', () => {
  const content = { loop: 'prices', encoder: genericEncoder(), trunk: fourier };
  const memory = { halfLifeDays: 7, halfLifeRows: 0, sharedHalfLifeRows: 0 };
  const blob = packVersion({ ...content, memory });
  expect(unpackVersion(blob).memory).toEqual(memory);
  expect(versionOf(blob)).not.toBe(versionOf(packVersion(content)));
  expect(versionOf(packVersion({ ...content, memory: undefined }))).toBe(versionOf(packVersion(content)));
});
