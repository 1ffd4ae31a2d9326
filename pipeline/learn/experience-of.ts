/** An experience as the learner wants it, made of a receipt: what was served is what is learned from (law 7). */
import { decisionIdFromBytes, profileWithoutPersonal, requestWithoutPersonal } from '#contracts';
import type { ActionProfile, AttributeValue, Context, Decision, Experience } from '#contracts';
import { viewOfReceipt } from '#feature-store';
import type { FeatureSet } from '#feature-store';

/** The profile of an action in one catalog; null when that catalog does not name it. */
export type ProfileOf = (actionId: string) => ActionProfile | null;

export interface ExperienceSources {
  readonly featureSet: FeatureSet;
  /** Names that no model sees (personalNamesOf). */
  readonly personal: ReadonlySet<string>;
  readonly profileOf: ProfileOf;
}

/** Null: the action's profile is not to be had. */
export const experienceOf = (
  decision: Decision,
  rank: number,
  { featureSet, personal, profileOf }: ExperienceSources,
): Experience | null => {
  const chosen = decision.chosen.find((slot) => slot.rank === rank);
  if (chosen === undefined) return null;
  const action =
    decision.ownCandidates === null ? profileOf(chosen.actionId) : ownProfile(decision.ownCandidates, chosen.actionId, personal);
  if (action === null) return null;
  return {
    decisionId: decisionIdFromBytes(decision.decisionId),
    rank,
    request: requestWithoutPersonal(
      {
        view: viewOfReceipt(decision, featureSet),
        context: JSON.parse(decision.context) as Context,
        channel: decision.channel,
        direction: decision.direction,
        placement: decision.placement,
        nowMs: decision.decidedAt,
      },
      personal,
    ),
    action,
    probability: chosen.probability,
    propensity: chosen.propensity,
    decidedAtMs: decision.decidedAt,
  };
};

const ownProfile = (candidates: string, actionId: string, personal: ReadonlySet<string>): ActionProfile | null => {
  const found = (JSON.parse(candidates) as { id: string; features?: Record<string, AttributeValue> }[]).find(({ id }) => id === actionId);
  return found === undefined ? null : profileWithoutPersonal({ id: found.id, features: found.features ?? {} }, personal);
};
