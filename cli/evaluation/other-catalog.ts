/** What another catalog would have chosen at a logged decision: its actions, values, weights, levers and exploration, with the scores that were logged. */
import type { Scorer } from '#contracts';
import { decide, slotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import type { Policy, SlotPolicy } from '#models/evaluation';
import { placesAbove, type Scores } from './model-policy.ts';

/**
 * Whether the contact policy would have let an action through is not in the warehouse: of the actions that both catalogs know, those take part that were
 * candidates then. What only the other catalog knows, and would have scored, is outside support by its share.
 */
export const otherCatalogPolicy = (
  other: Catalog,
  inForce: Catalog,
  scores: (decision: LoggedDecision) => Scores,
): { readonly policy: Policy; readonly slots: SlotPolicy } => {
  const catalog: Catalog = { ...other, rules: [] };
  /** By the places of the decision, `none` last where it took part; what only the other catalog would have chosen is missing. */
  const probabilitiesOf = (decision: LoggedDecision, above: readonly number[]): number[] => {
    const found = scores(decision);
    const placeOf = new Map(decision.candidates.map(({ id }, place) => [id, place]));
    const { view, context, channel, direction, placement, nowMs } = decision.request;
    const verdict = decide({
      catalog,
      view,
      context,
      channel,
      direction,
      placement,
      nowMs,
      scorer: scorerOf(decision, found, placeOf),
      controls: null,
      limit: 1,
      allowNone: decision.noneProbability !== null,
      seed: 0,
      group: 'model',
    });
    const taking = verdict.scored.flatMap((index, i) => {
      if (index < 0) return [];
      const { id, profile } = other.actions[index]!;
      return placeOf.has(id) || !inForce.indexOf.has(id) ? [{ id, profile, priority: verdict.priorities[i]! }] : [];
    });
    const aboveIds = new Set(above.map((place) => decision.candidates[place]!.id));
    const probabilities = slotUnder(
      other,
      {
        loop: '',
        candidates: taking.map(({ profile }) => profile),
        propensities: taking.map(() => 1),
        priorities: taking.map(({ id, priority }) => priority - (decision.contactCosts?.[placeOf.get(id) ?? -1] ?? 0)),
        contactCosts: taking.map(({ id }) => decision.contactCosts?.[placeOf.get(id) ?? -1] ?? 0),
        allowsNone: decision.noneProbability !== null,
        holdouts: (decision.holdouts?.length ?? 0) === 0 ? [] : taking.map(({ id }) => decision.holdouts![placeOf.get(id) ?? -1] ?? 0),
        above: taking.flatMap(({ id }, i) => (aboveIds.has(id) ? [i] : [])),
      },
      {
        propensities: taking.map(() => 1),
        effectiveN: taking.map(({ id }) => found.effectiveN[placeOf.get(id) ?? -1] ?? 0),
        modelEffectiveN: found.modelEffectiveN,
      },
    );
    const out = new Array<number>(decision.candidates.length + (decision.noneProbability === null ? 0 : 1)).fill(0);
    taking.forEach(({ id }, i) => {
      const place = placeOf.get(id);
      if (place !== undefined) out[place] = probabilities[i]!;
    });
    if (decision.noneProbability !== null) out[decision.candidates.length] = probabilities[taking.length]!;
    return out;
  };
  return {
    policy(decision, out) {
      if (decision.candidates.length === 0) return false;
      out.set(probabilitiesOf(decision, []));
      return true;
    },
    slots: (decision, slot) => probabilitiesOf(decision, placesAbove(decision, slot))[decision.chosen[slot]!.index]!,
  };
};

/** Answers what was logged; an action that was no candidate keeps its prior. */
const scorerOf = (decision: LoggedDecision, scores: Scores, placeOf: ReadonlyMap<string, number>): Scorer => ({
  loop: '',
  version: decision.modelVersion,
  snapshot: 0,
  effectiveN: scores.modelEffectiveN,
  score(_, actions, out) {
    actions.forEach(({ id }, i) => {
      const place = placeOf.get(id);
      out.propensities[i] = place === undefined ? NaN : scores.propensities[place]!;
      out.effectiveN[i] = place === undefined ? 0 : scores.effectiveN[place]!;
    });
  },
});
