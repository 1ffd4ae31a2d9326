import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createPlainKernel } from '../kernel/kernel.ts';
import type { HyperParameters } from './network.ts';
import { areaUnderCurve, calibrationError, logLoss } from './metrics.ts';
import { openProgressFile } from './progress-file.ts';
import { randomOf } from '../random.ts';
import { trainNetwork, type Progress, type TrainingHooks, type TrainingOptions } from './train-network.ts';
import type { TrainingSet } from './training-set.ts';

const DIMS = 8;

/** Two actions; the first is taken where x1 · x2 > 0, which no linear model can tell; a constant column, and one of large numbers. The best AUC that there is, is 0.74 (0.71 with a base of 0.01). */
const worldOf = (rows: number, base = 0.05): TrainingSet => {
  const random = randomOf(7);
  const x = new Float32Array(rows * DIMS);
  const outcome = new Float32Array(rows);
  const action = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    x.set([1, random() * 2 - 1, random() * 2 - 1, 5_000 + 300 * random(), random(), 0, 0, 0], i * DIMS);
    action[i] = random() < 0.5 ? 0 : 1;
    const fits = x[i * DIMS + 1]! * x[i * DIMS + 2]! > 0 === (action[i] === 0);
    outcome[i] = random() < (fits ? base * 5 : base / 2) ? 1 : 0;
  }
  const part = (index: number[]) => ({
    index: Int32Array.from(index),
    value: new Float64Array(index.length).fill(1),
    crosses: new Int32Array(0),
  });
  return {
    rows,
    xDims: DIMS,
    xNames: [],
    x,
    action,
    actions: [
      { id: 'same', part: part([3]) },
      { id: 'opposite', part: part([9]) },
    ],
    target: outcome,
    outcome,
    weight: new Float32Array(rows).fill(1),
    probability: new Float32Array(rows).fill(0.5),
    served: new Float32Array(rows).fill(0.1),
    decidedAtMs: Float64Array.from({ length: rows }, (_, i) => i),
    fingerprint: 'test',
    notAsServed: 0,
  };
};
const candidate = (more: Partial<HyperParameters> = {}): HyperParameters => ({
  hidden: [16],
  activation: 'relu',
  learningRate: 0.02,
  weightDecay: 0,
  batchRows: 128,
  ...more,
});
const options = (more: Partial<TrainingOptions> = {}): TrainingOptions => ({
  candidates: [candidate()],
  outputs: 8,
  loss: 'logistic',
  seed: 3,
  maxEpochs: 8,
  patience: 3,
  negativesPerPositive: Infinity,
  backend: 'wasm',
  ...more,
});
const hooks: TrainingHooks = { resumed: null, save: async () => {}, onProgress: () => {} };
const scored = (set: TrainingSet, { split, heldOutPredictions }: Awaited<ReturnType<typeof trainNetwork>>) =>
  [...split.heldOut].map((row, i) => ({ predicted: heldOutPredictions[i]!, outcome: set.outcome[row]! }));

test('a network finds what no linear model can, calibrated on rows later than any that it learned', async () => {
  const set = worldOf(5_000);
  const trained = await trainNetwork(set, options(), hooks);
  const rows = scored(set, trained);
  expect(areaUnderCurve(rows)).toBeGreaterThan(0.68);
  expect(calibrationError(rows)).toBeLessThan(0.06);
  expect(Math.max(...trained.split.validated)).toBeLessThan(Math.min(...trained.split.heldOut));
  expect(trained.epochs.length).toBeLessThanOrEqual(8);
});

test('with few positives most zeros are left out, and the rates stay those of the whole population', async () => {
  const set = worldOf(12_000, 0.01);
  const trained = await trainNetwork(set, options({ negativesPerPositive: 3, maxEpochs: 8 }), hooks);
  expect(trained.keptNegatives).toBeLessThan(0.2);
  const rows = scored(set, trained);
  const mean = (of: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
  expect(Math.abs(mean((row) => row.predicted) / mean((row) => row.outcome) - 1)).toBeLessThan(0.35);
  expect(areaUnderCurve(rows)).toBeGreaterThan(0.62);
});

test('progressive validation drops what learns worst, and the trunk of the winner is standardised and as large as model zero', async () => {
  const set = worldOf(4_000);
  const candidates = [candidate({ learningRate: 1e-6 }), candidate(), candidate({ learningRate: 3e-6 }), candidate({ hidden: [] })];
  const { chosen, trials, trunk } = await trainNetwork(set, options({ candidates, maxEpochs: 4 }), hooks);
  expect(chosen.learningRate).toBe(0.02);
  expect(Math.min(...trials.map(({ blocks }) => blocks))).toBeLessThan(Math.max(...trials.map(({ blocks }) => blocks)));
  expect([trunk.inputs, trunk.outputs, trunk.layers.at(-1)!.kind]).toEqual([DIMS, 8, 'dense']);
  const kernel = createPlainKernel(trunk);
  let square = 0;
  for (let row = 0; row < 2_000; row++) {
    kernel.x.set(set.x.subarray(row * DIMS, (row + 1) * DIMS));
    kernel.features();
    square += kernel.phi.subarray(DIMS, DIMS + 8).reduce((sum, value) => sum + value * value, 0) / 2_000;
  }
  expect(square).toBeGreaterThan(0.9);
  expect(square).toBeLessThan(1.1);
});

test('rewards of any size are learned by squared error', async () => {
  const set = worldOf(3_000);
  const reward = set.outcome.map((y) => 100 * y - 20);
  const trained = await trainNetwork({ ...set, outcome: reward, target: reward }, options({ loss: 'squared', maxEpochs: 6 }), hooks);
  const rows = [...trained.split.heldOut].map((row, i) => ({ predicted: trained.heldOutPredictions[i]!, outcome: set.outcome[row]! }));
  expect(areaUnderCurve(rows)).toBeGreaterThan(0.66);
});

test('a run that is killed at any epoch goes on to the very same trunk', { timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-training-'));
  const set = worldOf(1_000);
  const settings = options({ candidates: [candidate(), candidate({ hidden: [] })], maxEpochs: 5, patience: 10 });
  const whole = await trainNetwork(set, settings, hooks);
  const file = openProgressFile(join(dir, 'run.bin'), 'a');
  for (const killedAt of [1, 3, 5, 7]) {
    let saved = 0;
    const save = async (progress: Progress) => {
      await file.write(progress);
      if (++saved === killedAt) throw new Error('killed');
    };
    await expect(trainNetwork(set, settings, { ...hooks, save })).rejects.toThrow('killed');
    const resumed = await file.read();
    expect(resumed).not.toBeNull();
    const again = await trainNetwork(set, settings, { ...hooks, resumed });
    expect(again.trunk).toEqual(whole.trunk);
    expect(again.epochs).toEqual(whole.epochs);
  }
  expect(await openProgressFile(join(dir, 'run.bin'), 'another set').read()).toBeNull();
  rmSync(dir, { recursive: true });
});

test('log-loss, AUC and calibration error of rows that can be reckoned by hand', () => {
  const rows = [
    { predicted: 0.8, outcome: 1 },
    { predicted: 0.4, outcome: 0 },
    { predicted: 0.4, outcome: 1 },
    { predicted: 0.2, outcome: 0 },
  ];
  expect(areaUnderCurve(rows)).toBeCloseTo((1 + 1 + 0.5 + 1) / 4, 12);
  expect(logLoss(rows)).toBeCloseTo(-(Math.log(0.8) + Math.log(0.6) + Math.log(0.4) + Math.log(0.8)) / 4, 12);
  expect(calibrationError(rows)).toBeCloseTo((0.2 + 0.4 + 0.6 + 0.2) / 4, 12);
});
