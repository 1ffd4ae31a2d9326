/** How long a model should remember, by data: learners that differ in it predict each logged row before they learn it. */
import type { Experience, Scorer } from '#contracts';
import { createVersion } from '../scorer.ts';
import type { Learner } from '../types.ts';

export interface MemoryTrial<M> {
  readonly memory: M;
  /** Mean progressive loss: nats where every target lies in [0, 1], else squared error. */
  readonly loss: number;
  /** Of its loss less the least one's, with a standard error that allows for rows that resemble their neighbours. */
  readonly excess: number;
  readonly excessError: number;
}

export interface MemoryChoice<M> {
  readonly memory: M;
  readonly trials: readonly MemoryTrial<M>[];
  readonly rows: number;
}

export interface ChooseMemoryOptions<M> {
  /** Oldest first; read once a candidate. */
  readonly rows: () => Iterable<{ readonly experience: Experience; readonly target: number }>;
  /** The first one stays unless another is better by more than a standard error (Breiman et al. 1984, §3.4.3). */
  readonly memories: readonly M[];
  readonly createLearner: (memory: M) => Learner;
  /** Default 50: rows between publications. */
  readonly publishEvery?: number;
  /** Default 500: rows that teach and are not judged. */
  readonly warmUp?: number;
}

/** Rows of a block share their luck. */
const BLOCK = 100;
const LEAST_RATE = 1e-6;

/**
 * Progressive validation (Blum, Kalai & Langford 1999): every row is test and then training, in the order of time, so what forgets too much and
 * what forgets too little both pay. The rows are those that the old policy showed: a memory is judged where decisions were made. One candidate
 * after the other: time is their sum, memory that of one.
 */
export const chooseMemory = <M>({
  rows,
  memories,
  createLearner,
  publishEvery = 50,
  warmUp = 500,
}: ChooseMemoryOptions<M>): MemoryChoice<M> => {
  let areRates = true;
  let count = 0;
  for (const { target } of rows()) {
    count++;
    if (target < 0 || target > 1) areRates = false;
  }
  const lossOf = areRates ? logLoss : squaredError;
  const losses = memories.map((memory) =>
    progressiveLosses(createLearner(memory), rows(), lossOf, publishEvery, Math.min(warmUp, count / 2)),
  );
  const means = losses.map(meanOf);
  const least = means.indexOf(Math.min(...means));
  const trials = memories.map((memory, i): MemoryTrial<M> => {
    const gaps = blockMeans(losses[i]!.map((loss, k) => loss - losses[least]![k]!));
    return { memory, loss: means[i]!, excess: means[i]! - means[least]!, excessError: standardError(gaps) };
  });
  const first = trials[0]!;
  const chosen = first.excess <= first.excessError ? 0 : least;
  return { memory: memories[chosen]!, trials, rows: count };
};

type Loss = (predicted: number, target: number) => number;

const logLoss: Loss = (predicted, target) => {
  const p = Math.min(1 - LEAST_RATE, Math.max(LEAST_RATE, predicted));
  return -target * Math.log(p) - (1 - target) * Math.log(1 - p);
};
const squaredError: Loss = (predicted, target) => (predicted - target) ** 2;

const progressiveLosses = (
  learner: Learner,
  rows: ReturnType<ChooseMemoryOptions<never>['rows']>,
  lossOf: Loss,
  publishEvery: number,
  warmUp: number,
): number[] => {
  const version = createVersion(learner.versionBlob);
  const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
  const losses: number[] = [];
  let scorer: Scorer = version.open(learner.publish().snapshotBlob);
  let row = 0;
  for (const { experience, target } of rows) {
    scorer.score(experience.request, [experience.action], out);
    if (row >= warmUp) losses.push(lossOf(out.propensities[0]!, target));
    learner.learnShown(experience, target);
    if (++row % publishEvery === 0) scorer = version.open(learner.publish().snapshotBlob);
  }
  return losses;
};

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

const blockMeans = (values: readonly number[]): number[] => {
  const means: number[] = [];
  for (let from = 0; from < values.length; from += BLOCK) means.push(meanOf(values.slice(from, from + BLOCK)));
  return means;
};

/** Of the mean of independent values; Infinity for fewer than two. */
const standardError = (values: readonly number[]): number => {
  if (values.length < 2) return Infinity;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length);
};
