/**
 * TensorFlow.js on its backends, native and WebAssembly, in processes of their own that take turns: a training step of Dense 64→128→64 with
 * batches of 256, prediction of whole batches, and whether memory grows when predict is repeated.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openTensorflow, type BackendName } from '../models/trunk/tensorflow.ts';

interface Measured {
  readonly backend: string;
  readonly trainMs: number;
  readonly predictUs: Readonly<Record<string, number>>;
  readonly loss: number;
  readonly residentMb: number;
  readonly grownKbPer1000: number;
}

const BACKENDS: readonly BackendName[] = ['tensorflow', 'wasm'];
const TURNS = 2;
const BATCH = 256;
const INPUTS = 64;

const [, , only] = process.argv;
if (only === undefined) report();
else console.log(JSON.stringify(await measure(only as BackendName)));

function report(): void {
  const runs = BACKENDS.map(() => [] as Measured[]);
  for (let turn = 0; turn < TURNS; turn++) BACKENDS.forEach((backend, i) => runs[i]!.push(runApart(backend)));
  const medians = runs.map((of) => ({
    backend: of[0]!.backend,
    trainMs: median(of.map(({ trainMs }) => trainMs)),
    predictUs: Object.fromEntries(Object.keys(of[0]!.predictUs).map((rows) => [rows, median(of.map(({ predictUs }) => predictUs[rows]!))])),
    loss: of[0]!.loss,
    residentMb: median(of.map(({ residentMb }) => residentMb)),
    grownKbPer1000: median(of.map(({ grownKbPer1000 }) => grownKbPer1000)),
  }));
  for (const { backend, trainMs, predictUs, residentMb, grownKbPer1000 } of medians)
    console.log(
      `${backend.padEnd(11)} training step ${trainMs.toFixed(2)} ms · predict ` +
        Object.entries(predictUs)
          .map(([rows, us]) => `${rows} rows ${us.toFixed(0)} µs`)
          .join(', ') +
        ` · ${residentMb.toFixed(0)} MB, grown ${grownKbPer1000.toFixed(0)} KB in 1,000 predictions`,
    );
  console.log(JSON.stringify({ bench: 'tensorflow-backends', medians }));
}

function runApart(backend: BackendName): Measured {
  const child = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), backend], {
    encoding: 'utf8',
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
  });
  if (child.status !== 0) throw new Error(`${backend}: ${child.stderr}`);
  return JSON.parse(child.stdout.trim().split('\n').at(-1)!) as Measured;
}

async function measure(prefer: BackendName): Promise<Measured> {
  const { tf, backend } = await openTensorflow(prefer);
  const layers = await import('@tensorflow/tfjs-layers');
  const kernel = (seed: number) => layers.initializers.glorotUniform({ seed });
  const model = layers.sequential({
    layers: [
      layers.layers.dense({ units: 128, activation: 'relu', inputShape: [INPUTS], kernelInitializer: kernel(1) }),
      layers.layers.dense({ units: 64, kernelInitializer: kernel(2) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(1e-3), loss: 'meanSquaredError' });
  const x = tf.randomNormal([BATCH, INPUTS], 0, 1, 'float32', 3);
  const y = tf.randomNormal([BATCH, 64], 0, 1, 'float32', 4);
  let loss = 0;
  const step = async (): Promise<void> => void (loss = (await model.trainOnBatch(x, y)) as number);
  const trainMs = await timed(step, 20, 100);

  const predictUs: Record<string, number> = {};
  for (const rows of [1, BATCH, 4_096]) {
    const batch = tf.randomNormal([rows, INPUTS]);
    const predict = (): void => void tf.tidy(() => (model.predictOnBatch(batch) as ReturnType<typeof tf.tensor>).dataSync());
    predictUs[rows] = 1_000 * (await timed(predict, 10, rows > 1_000 ? 20 : 200));
    batch.dispose();
  }

  const again = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) tf.tidy(() => (model.predictOnBatch(x) as ReturnType<typeof tf.tensor>).dataSync());
    await new Promise((resolve) => setImmediate(resolve));
    (globalThis as { gc?: () => void }).gc?.();
  };
  await again(1_000);
  const before = process.memoryUsage.rss();
  await again(2_000);
  const after = process.memoryUsage.rss();
  return { backend, trainMs, predictUs, loss, residentMb: after / 1e6, grownKbPer1000: (after - before) / 1e3 / 2 };
}

/** ms a call, after a warm-up. */
async function timed(what: () => void | Promise<void>, warm: number, times: number): Promise<number> {
  for (let i = 0; i < warm; i++) await what();
  const startMs = performance.now();
  for (let i = 0; i < times; i++) await what();
  return (performance.now() - startMs) / times;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
