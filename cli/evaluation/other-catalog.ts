/** What another catalog would have chosen at a logged decision: its actions, values, weights, levers and exploration, with the scores that were logged. */
import type { Scorer } from '#contracts';
import { decide, firstSlotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import type { Policy } from '#models/evaluation';
import type { Scores } from './model-policy.ts';

/**
 * Whether the contact policy would have let an action through is not in the warehouse: of the actions that both catalogs know, those take part that were
 * candidates then. What only the other catalog knows, and would have scored, is outside support by its share.
 */
export const otherCatalogPolicy = (other: Catalog, inForce: Catalog, scores: (decision: LoggedDecision) => Scores): Policy => {
  const catalog: Catalog = { ...other, rules: [] };
  return (decision, out) => {
    const found = scores(decision);
    if (decision.candidates.length === 0) return false;
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
    const probabilities = firstSlotUnder(
      other,
      {
        loop: '',
        candidates: taking.map(({ profile }) => profile),
        propensities: taking.map(() => 1),
        priorities: taking.map(({ priority }) => priority),
        allowsNone: decision.noneProbability !== null,
      },
      {
        propensities: taking.map(() => 1),
        effectiveN: taking.map(({ id }) => found.effectiveN[placeOf.get(id) ?? -1] ?? 0),
        modelEffectiveN: found.modelEffectiveN,
      },
    );
    taking.forEach(({ id }, i) => {
      const place = placeOf.get(id);
      if (place !== undefined) out[place] = probabilities[i]!;
    });
    if (decision.noneProbability !== null) out[decision.candidates.length] = probabilities[taking.length]!;
    return true;
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
