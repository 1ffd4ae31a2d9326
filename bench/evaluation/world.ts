/** A world with a known truth: logistic rewards, logged by the product's own exploration over a model that is not quite right. */
import { createUniformState, inverseGapWeighting, nextUniform, scalePriorities, seedUniform } from '#models/exploration';
import type { LoggedRounds, PerAction } from '#models/evaluation';

export const ACTIONS = 8;
export const DIMS = 5;
/** γ of the policy that logs: no probability is below 1 / (K + γ). */
export const LOGGING_GAMMA = 40;
export const LARGEST_WEIGHT = ACTIONS + LOGGING_GAMMA;

export interface Sample {
  readonly log: LoggedRounds;
  /** n × (DIMS + 1); the first is 1. */
  readonly x: Float64Array;
  /** n × K: E[r | x, a]. */
  readonly truth: PerAction;
  /** The policy that logged: the champion, exploring. */
  readonly logging: PerAction;
  /** A model that is nearer to the truth, exploring less. */
  readonly better: PerAction;
  /** A model that is further from it. */
  readonly worse: PerAction;
}

export interface World {
  sample(n: number, seed: number): Sample;
}

export const createWorld = (seed: number): World => {
  const random = createRandom(seed);
  const weights = Float64Array.from({ length: ACTIONS * (DIMS + 1) }, (_, k) =>
    k % (DIMS + 1) === 0 ? -1.6 + 0.4 * random.normal() : 0.7 * random.normal(),
  );
  const blurred = (noise: number): Float64Array => weights.map((w) => w + noise * random.normal());
  const [champion, better, worse] = [blurred(0.5), blurred(0.2), blurred(1.2)];
  return {
    sample(n, sampleSeed) {
      const { uniform, normal } = createRandom(sampleSeed * 7_919 + seed);
      const K = ACTIONS;
      const size = n * K;
      const x = new Float64Array(n * (DIMS + 1));
      const made = {
        truth: new Float64Array(size),
        logging: new Float64Array(size),
        better: new Float64Array(size),
        worse: new Float64Array(size),
      };
      const log: LoggedRounds = { actions: K, action: new Int32Array(n), reward: new Float64Array(n), probability: new Float64Array(n) };
      const [scores, gammas, shares] = [new Float64Array(K), new Float64Array(K), new Float64Array(K)];
      const explore = (model: Float64Array, row: Float64Array, gamma: number, out: Float64Array, at: number): void => {
        rates(model, row, scores, 0);
        inverseGapWeighting(scalePriorities(scores, K, scores), gammas.fill(gamma), K, shares);
        out.set(shares, at);
      };
      for (let i = 0; i < n; i++) {
        const row = x.subarray(i * (DIMS + 1), (i + 1) * (DIMS + 1));
        row[0] = 1;
        for (let d = 1; d <= DIMS; d++) row[d] = normal();
        rates(weights, row, made.truth, i * K);
        explore(better, row, 400, made.better, i * K);
        explore(worse, row, 400, made.worse, i * K);
        explore(champion, row, LOGGING_GAMMA, made.logging, i * K);
        let [at, a] = [uniform(), 0];
        while (a < K - 1 && at >= shares[a]!) at -= shares[a++]!;
        log.action[i] = a;
        log.probability[i] = shares[a]!;
        log.reward[i] = uniform() < made.truth[i * K + a]! ? 1 : 0;
      }
      return { log, x, ...made };
    },
  };
};

const rates = (weights: Float64Array, row: Float64Array, out: Float64Array, at: number): void => {
  const dims = row.length;
  for (let a = 0; a < ACTIONS; a++) {
    let u = 0;
    for (let d = 0; d < dims; d++) u += weights[a * dims + d]! * row[d]!;
    out[at + a] = 1 / (1 + Math.exp(-u));
  }
};

export interface Random {
  readonly uniform: () => number;
  readonly normal: () => number;
}

export const createRandom = (seed: number): Random => {
  const state = createUniformState();
  seedUniform(state, seed);
  const uniform = (): number => nextUniform(state);
  // Box & Muller.
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
};

/** Σ_a π(a | x) E[r | x, a], over a large sample: the truth, to about 1/1,000 of itself. */
export const valueOfPolicy = (policy: PerAction, truth: PerAction): number => {
  let sum = 0;
  for (let k = 0; k < policy.length; k++) sum += policy[k]! * truth[k]!;
  return sum / (policy.length / ACTIONS);
};

/** share · one + (1 − share) · other. */
export const mix = (one: PerAction, other: PerAction, share: number): PerAction => one.map((p, k) => share * p + (1 - share) * other[k]!);
