/** A model as a policy over logged decisions: its scores, under a catalog's weights and exploration. */
import type { Scorer } from '#contracts';
import { slotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import type { Policy, SlotPolicy } from '#models/evaluation';

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

type Rules = Pick<Catalog, 'exploration' | 'ownExploration' | 'nonePriority' | 'perTopic' | 'actions' | 'indexOf'>;

/** @param scores null: the policy has nothing to say of the decision */
export const policyOfScores =
  (catalog: Rules, scores: (decision: LoggedDecision) => Scores | null): Policy =>
  (decision, out) => {
    const found = scores(decision);
    if (found === null || decision.candidates.length === 0) return false;
    out.set(slotUnder(catalog, momentOf(decision), found));
    return true;
  };

/** The same in the slots below the first. */
export const slotsOfScores =
  (catalog: Rules, scores: (decision: LoggedDecision) => Scores | null): SlotPolicy =>
  (decision, slot) => {
    const found = scores(decision);
    return found === null
      ? null
      : slotUnder(catalog, { ...momentOf(decision), above: placesAbove(decision, slot) }, found)[decision.chosen[slot]!.index]!;
  };

export const momentOf = (decision: LoggedDecision) => ({ ...decision, allowsNone: decision.noneProbability !== null });

/** @param slot from 0 */
export const placesAbove = ({ chosen }: LoggedDecision, slot: number): number[] => chosen.slice(0, slot).map(({ index }) => index);

/** What q̂ is made of: a constant, and what the log expected of the candidate. */
export const REWARD_FEATURES = {
  count: 2,
  write: ({ priorities }: LoggedDecision, place: number, out: Float64Array, at: number): void => {
    out[at] = 1;
    out[at + 1] = priorities[place]!;
  },
};
