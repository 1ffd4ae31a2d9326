/**
 * Training speed: rows a second until a log-loss is reached, beside scikit-learn's MLP of the same shape on the same rows (bank-additional as
 * a table: numbers standardised, words one-hot). `npm run bench:training -- --data DIR [--epochs N] [--python PYTHON]`; last line JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createNetwork } from '../models/training/network.ts';
import { randomOf, shuffle } from '../models/random.ts';
import type { TrainingSet } from '../models/training/training-set.ts';
import { readContacts } from './bank/read-contacts.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    epochs: { type: 'string', default: '8' },
    batch: { type: 'string', default: '256' },
    seed: { type: 'string', default: '1' },
    python: { type: 'string', default: 'python3' },
    backend: { type: 'string', default: 'wasm' },
  },
});
if (values.data === undefined) {
  console.error(
    '--data DIR is missing: the folder with bank-additional.zip, e.g. npm run bench:training -- --data ../shared/data/bank-additional',
  );
  process.exit(2);
}
const [EPOCHS, BATCH, SEED] = [Number(values.epochs), Number(values.batch), Number(values.seed)];

const contacts = readContacts(values.data).map(({ customer, call, accepted }) => ({
  fields: { ...customer, ...call },
  y: accepted ? 1 : 0,
}));
const order = shuffle(
  Int32Array.from(contacts, (_, i) => i),
  randomOf(SEED),
);
const rows = Array.from(order, (i) => contacts[i]!);
const train = Math.floor(rows.length * 0.8);

/** Numbers by mean and deviation of the training rows, words one-hot. */
const columns = Object.keys(rows[0]!.fields).flatMap((name) => {
  const of = (row: (typeof rows)[number]): unknown => (row.fields as Record<string, unknown>)[name];
  const seen = rows.slice(0, train).map(of);
  if (seen.every((value) => typeof value === 'number')) {
    const mean = seen.reduce((sum, value) => sum + value, 0) / train;
    const deviation = Math.sqrt(seen.reduce((sum, value) => sum + (value - mean) ** 2, 0) / train) || 1;
    return [(row: (typeof rows)[number]) => ((of(row) as number) - mean) / deviation];
  }
  return [...new Set(seen)].map((level) => (row: (typeof rows)[number]) => (of(row) === level ? 1 : 0));
});
const dims = columns.length;
const x = new Float32Array(rows.length * dims);
for (const [i, row] of rows.entries()) for (let j = 0; j < dims; j++) x[i * dims + j] = columns[j]!(row);
const y = Float32Array.from(rows, (row) => row.y);

interface Point {
  readonly seconds: number;
  /** Of the processor, over all threads: what a busy machine does not change much. */
  readonly cpuSeconds: number;
  readonly loss: number;
}

const ours = async (): Promise<{ readonly backend: string; readonly curve: readonly Point[] }> => {
  const part = { index: Int32Array.of(1), value: Float64Array.of(1), crosses: new Int32Array(0) };
  const ones = new Float32Array(rows.length).fill(1);
  const set: TrainingSet = {
    ...{ rows: rows.length, xDims: dims, xNames: [], x, target: y, outcome: y, weight: ones, probability: ones, served: ones },
    ...{ action: new Int32Array(rows.length), actions: [{ id: 'offer', part }], fingerprint: '', notAsServed: 0 },
    decidedAtMs: new Float64Array(rows.length),
  };
  const scale = { mean: new Float32Array(dims), inverse: new Float32Array(dims).fill(1) };
  const network = await createNetwork(set, scale, {
    ...{
      hidden: [128],
      outputs: 64,
      activation: 'relu',
      learningRate: 1e-3,
      weightDecay: 0,
      batchRows: BATCH,
      seed: SEED,
      loss: 'logistic',
    },
    backend: values.backend as 'wasm',
  });
  const [fitted, tested] = [
    Int32Array.from({ length: train }, (_, i) => i),
    Int32Array.from({ length: rows.length - train }, (_, i) => train + i),
  ];
  let [seconds, cpuSeconds] = [0, 0];
  const curve: Point[] = [];
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    network.fit(fitted, epoch, 1);
    seconds += (performance.now() - began) / 1_000;
    const used = process.cpuUsage(cpu);
    cpuSeconds += (used.user + used.system) / 1e6;
    const predicted = network.predict(tested);
    let loss = 0;
    for (const [i, row] of tested.entries()) {
      const p = Math.min(1 - 1e-7, Math.max(1e-7, predicted[i]!));
      loss -= ((y[row] ?? 0) === 1 ? Math.log(p) : Math.log(1 - p)) / tested.length;
    }
    curve.push({ seconds, cpuSeconds, loss });
  }
  const { backend } = network;
  network.dispose();
  return { backend, curve };
};

const sklearn = (): readonly Point[] | null => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-bench-training-'));
  writeFileSync(join(dir, 'meta.json'), JSON.stringify({ rows: rows.length, dims, train }));
  writeFileSync(join(dir, 'x.f32'), new Uint8Array(x.buffer));
  writeFileSync(join(dir, 'y.f32'), new Uint8Array(y.buffer));
  const script = new URL('peers/sklearn_mlp.py', import.meta.url).pathname;
  try {
    const out = execFileSync(values.python, [script, dir, values.epochs, values.batch, values.seed], { encoding: 'utf8' });
    return JSON.parse(out) as readonly Point[];
  } catch (error) {
    console.error(`scikit-learn was not measured: ${(error as Error).message.split('\n').at(-1)}`);
    return null;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

/** Rows that were passed over until the loss was reached, by the seconds that took. */
const rowsPerSecond = (curve: readonly Point[], target: number): number => {
  const at = curve.findIndex(({ loss }) => loss <= target);
  return Math.round(((at + 1) * train) / curve[at]!.seconds);
};
const reaching = (curve: readonly Point[], target: number): Point => curve.find(({ loss }) => loss <= target)!;
const best = (curve: readonly Point[]): number => Math.min(...curve.map(({ loss }) => loss));

const mine = await ours();
const peer = sklearn();
/** What both reach: the worse of the two best. */
const target = Math.max(best(mine.curve), peer === null ? -Infinity : best(peer));
console.table(
  mine.curve.map(({ seconds, loss }, i) => ({ seconds, loss, sklearnSeconds: peer?.[i]?.seconds, sklearnLoss: peer?.[i]?.loss })),
);
console.log(
  JSON.stringify({
    bench: 'training',
    rows: train,
    dims,
    backend: mine.backend,
    logLoss: Number(target.toFixed(4)),
    bestLogLoss: Number(best(mine.curve).toFixed(4)),
    rowsPerSecond: rowsPerSecond(mine.curve, target),
    secondsToLoss: Number(reaching(mine.curve, target).seconds.toFixed(2)),
    sklearnBestLogLoss: peer === null ? null : Number(best(peer).toFixed(4)),
    sklearnRowsPerSecond: peer === null ? null : rowsPerSecond(peer, target),
    sklearnSecondsToLoss: peer === null ? null : Number(reaching(peer, target).seconds.toFixed(2)),
    ratio: peer === null ? null : Number((reaching(peer, target).seconds / reaching(mine.curve, target).seconds).toFixed(3)),
    cpuRatio: peer === null ? null : Number((reaching(peer, target).cpuSeconds / reaching(mine.curve, target).cpuSeconds).toFixed(3)),
  }),
);
