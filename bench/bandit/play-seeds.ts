/** Plays a problem over several seeds, as many at once as the machine has cores, and sums up. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Played } from './play.ts';
import type { Task } from './worker.ts';

export interface Summary {
  readonly percentOfUniform: number;
  /** 95 % interval of the mean over seeds (Student's t); null with one seed. */
  readonly low: number | null;
  readonly high: number | null;
  /** Of one thread. */
  readonly decisionsPerSecond: number;
  readonly bySeed: readonly number[];
}

export const playSeeds = async (
  task: Omit<Task, 'seed'>,
  seeds: number,
  tell: (seed: number, played: Played) => void = () => {},
): Promise<Summary> => {
  const played: Played[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < seeds) {
      const seed = next++;
      played[seed] = await run({ ...task, seed });
      tell(seed, played[seed]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(seeds, availableParallelism()) }, work));
  const bySeed = played.map(({ percentOfUniform }) => percentOfUniform);
  const { mean, halfWidth } = interval(bySeed);
  const seconds = played.reduce((sum, of) => sum + of.seconds, 0);
  return {
    percentOfUniform: round(mean),
    low: halfWidth === null ? null : round(mean - halfWidth),
    high: halfWidth === null ? null : round(mean + halfWidth),
    decisionsPerSecond: Math.round((task.rounds * seeds) / seconds),
    bySeed: bySeed.map(round),
  };
};

const run = (task: Task): Promise<Played> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
  });

/** 97.5 % points of Student's t at 1 … 30 degrees of freedom; the normal's beyond. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
  2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

export const interval = (values: readonly number[]): { readonly mean: number; readonly halfWidth: number | null } => {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { mean, halfWidth: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, halfWidth: (STUDENT[n - 2] ?? 1.96) * Math.sqrt(variance / n) };
};

const round = (x: number): number => Math.round(x * 1_000) / 1_000;
