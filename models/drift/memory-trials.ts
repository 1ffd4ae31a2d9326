/** How long a model should remember, by data: learners that differ in it predict each logged row before they learn it. */
import type { Experience, Scorer } from '#contracts';
import { createVersion } from '../scorer.ts';
import type { Learner, ModelVersion } from '../types.ts';

export interface MemoryTrial<M> {
  readonly memory: M;
  /** Mean progressive loss: nats for rates, else squared error. */
  readonly loss: number;
  /** Of its loss less the least one's, with a standard error that allows for rows that resemble their neighbours. */
  readonly excess: number;
  readonly excessError: number;
}

export interface MemoryChoice<M> {
  readonly memory: M;
  /** In the order of the memories. */
  readonly trials: readonly MemoryTrial<M>[];
  /** That were judged. */
  readonly rows: number;
}

export interface MemoryTrialsOptions<M> {
  /** The first one stays unless another is better by more than a standard error (Breiman et al. 1984, §3.4.3). */
  readonly memories: readonly M[];
  readonly createLearner: (memory: M) => Learner;
  /** Every target lies in [0, 1]. */
  readonly areRates: boolean;
  /** Default 50: rows between publications. */
  readonly publishEvery?: number;
  /** Default 500: rows that teach and are not judged. */
  readonly warmUp?: number;
}

export interface MemoryTrials<M> {
  /** In the order of time. O(memories) learners' work. */
  add(experience: Experience, target: number): void;
  choose(): MemoryChoice<M>;
}

/** Rows of a block share their luck. */
const BLOCK = 100;
const LEAST_RATE = 1e-6;

/**
 * Progressive validation (Blum, Kalai & Langford 1999): every row is test and then training, in the order of time, so what forgets too much and
 * what forgets too little both pay. The rows are those that the old policy showed: a memory is judged where decisions were made. Memory is that
 * of all the learners, whatever the number of rows.
 */
export const createMemoryTrials = <M>({
  memories,
  createLearner,
  areRates,
  publishEvery = 50,
  warmUp = 500,
}: MemoryTrialsOptions<M>): MemoryTrials<M> => {
  const lossOf = areRates ? logLoss : squaredError;
  const contenders = memories.map((memory) => new Contender(memory, createLearner(memory), lossOf));
  let row = 0;
  return {
    add(experience, target) {
      for (const contender of contenders) {
        if (row % publishEvery === 0) contender.publish();
        contender.meet(experience, target, row >= warmUp);
      }
      row++;
    },
    choose() {
      const means = contenders.map(({ losses }) => meanOf(losses));
      const least = contenders[means.indexOf(Math.min(...means))] ?? contenders[0]!;
      const trials = contenders.map(({ memory, losses }, i): MemoryTrial<M> => {
        const gaps = losses.map((loss, k) => loss - least.losses[k]!);
        return { memory, loss: means[i]!, excess: meanOf(gaps), excessError: standardError(gaps) };
      });
      const { excess, excessError } = trials[0]!;
      const chosen = excess <= excessError ? contenders[0]! : least;
      return { memory: chosen.memory, trials, rows: chosen.losses.length * BLOCK };
    },
  };
};

/** One memory's learner, and what it has lost. */
class Contender<M> {
  readonly memory: M;
  /** Means of whole blocks: what is left of the last one says too little. */
  readonly losses: number[] = [];
  readonly #learner: Learner;
  readonly #version: ModelVersion;
  readonly #lossOf: Loss;
  readonly #out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
  #scorer: Scorer | null = null;
  #sum = 0;
  #judged = 0;

  constructor(memory: M, learner: Learner, lossOf: Loss) {
    this.memory = memory;
    this.#learner = learner;
    this.#version = createVersion(learner.versionBlob);
    this.#lossOf = lossOf;
  }

  publish(): void {
    this.#scorer = this.#version.open(this.#learner.publish().snapshotBlob);
  }

  meet(experience: Experience, target: number, judged: boolean): void {
    if (judged) {
      this.#scorer!.score(experience.request, [experience.action], this.#out);
      this.#sum += this.#lossOf(this.#out.propensities[0]!, target);
      if (++this.#judged % BLOCK === 0) {
        this.losses.push(this.#sum / BLOCK);
        this.#sum = 0;
      }
    }
    this.#learner.learnShown(experience, target);
  }
}

type Loss = (predicted: number, target: number) => number;

const logLoss: Loss = (predicted, target) => {
  const p = Math.min(1 - LEAST_RATE, Math.max(LEAST_RATE, predicted));
  return -target * Math.log(p) - (1 - target) * Math.log(1 - p);
};
const squaredError: Loss = (predicted, target) => (predicted - target) ** 2;

/** NaN for none. */
const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Of the mean of independent values; Infinity for fewer than two. */
const standardError = (values: readonly number[]): number => {
  if (values.length < 2) return Infinity;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length);
};
