/**
 * Cross-fitting (Chernozhukov et al. 2018): q̂ of each round comes from a model that has not seen it, nor any round of the same customer, so that a
 * flexible q̂ brings no bias of its own into DR.
 */
import { AttuneError } from '#contracts';
import { createUniformState, nextUniform, seedUniform } from '../exploration/uniform-stream.ts';
import type { Clusters } from './interval.ts';
import type { LoggedRounds, PerAction } from './logged-rounds.ts';

/** Learns from the rounds named by `rows`; what it returns writes q̂(x_row, a) for all K places of a round into out[at … at + K). */
export type RewardModel = (rows: Int32Array) => (row: number, out: Float64Array, at: number) => void;

export interface CrossFitOptions {
  /** Default 5. */
  readonly folds?: number;
  readonly seed: number;
  /** Rounds of one cluster are in one fold. */
  readonly clusters?: Clusters | null;
}

/** n × K. Throws `evaluation.invalid` for fewer than two folds, or more than there are clusters. */
export const crossFit = (log: LoggedRounds, model: RewardModel, { folds = 5, seed, clusters = null }: CrossFitOptions): PerAction => {
  const n = log.action.length;
  const all = Int32Array.from({ length: n }, (_, i) => i);
  const foldOf = assignFolds(clusters ?? all, folds, seed);
  const out = new Float64Array(n * log.actions);
  for (let fold = 0; fold < folds; fold++) {
    const predict = model(all.filter((row) => foldOf[row] !== fold));
    for (let row = 0; row < n; row++) if (foldOf[row] === fold) predict(row, out, row * log.actions);
  }
  return out;
};

/** Folds of equal numbers of clusters, drawn by the seed. */
const assignFolds = (clusters: Clusters, folds: number, seed: number): Uint16Array => {
  let last = -1;
  for (const cluster of clusters) last = Math.max(last, cluster);
  const count = last + 1;
  if (!(Number.isInteger(folds) && folds >= 2 && folds <= count))
    throw new AttuneError('evaluation.invalid', `folds must be a whole number from 2 to the ${count} clusters, not ${folds}`);
  const state = createUniformState();
  seedUniform(state, seed);
  const order = Uint16Array.from({ length: count }, (_, i) => i % folds);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(nextUniform(state) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return Uint16Array.from(clusters, (cluster) => order[cluster]!);
};
