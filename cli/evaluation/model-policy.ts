/** A model as a policy over logged decisions: its scores, under a catalog's weights and exploration. */
import type { Scorer } from '#contracts';
import { firstSlotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import type { Policy } from '#models/evaluation';

export interface Scores {
  readonly propensities: ArrayLike<number>;
  readonly effectiveN: ArrayLike<number>;
  readonly modelEffectiveN: number;
}

export const scoresOf = (scorer: Scorer, { request, candidates }: LoggedDecision): Scores => {
  const out = { propensities: new Float32Array(candidates.length), effectiveN: new Float32Array(candidates.length) };
  scorer.score(request, candidates, out);
  return { ...out, modelEffectiveN: scorer.effectiveN };
};

/** @param scores null: the policy has nothing to say of the decision */
export const policyOfScores =
  (
    catalog: Pick<Catalog, 'exploration' | 'ownExploration' | 'nonePriority' | 'actions' | 'indexOf'>,
    scores: (decision: LoggedDecision) => Scores | null,
  ): Policy =>
  (decision, out) => {
    const found = scores(decision);
    if (found === null || decision.candidates.length === 0) return false;
    out.set(firstSlotUnder(catalog, { ...decision, allowsNone: decision.noneProbability !== null }, found));
    return true;
  };

/** What q̂ is made of: a constant, and what the log expected of the candidate. */
export const REWARD_FEATURES = {
  count: 2,
  write: ({ priorities }: LoggedDecision, place: number, out: Float64Array, at: number): void => {
    out[at] = 1;
    out[at + 1] = priorities[place]!;
  },
};
