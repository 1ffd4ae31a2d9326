/** Policies over logged decisions: what each would have chosen in slot 1 among the candidates that were scored. */
import type { LoggedDecision } from '../logged/logged-decision.ts';

/**
 * Writes the probabilities of the candidates, and of `none` behind them where it took part; what is missing to 1 goes to actions that were no
 * candidates. False: the policy has nothing to say of this decision, which is then left out of the comparison.
 * @param out all 0, `candidates.length + 1` long
 */
export type Policy = (decision: LoggedDecision, out: Float64Array) => boolean;

/**
 * P(the action that was logged in this slot | those logged above it); null: the policy has nothing to say of the decision.
 * @param slot from 0; asked for the slots below the first, of decisions of which the policy of slot 1 said something
 */
export type SlotPolicy = (decision: LoggedDecision, slot: number) => number | null;

export const loggedSlots: SlotPolicy = ({ chosen }, slot) => chosen[slot]!.probability;

/** As it was drawn: the model's exploration, or uniformly in the group `random`. */
export const loggedPolicy: Policy = ({ probabilities, noneProbability }, out) => {
  out.set(probabilities);
  if (noneProbability !== null) out[probabilities.length] = noneProbability;
  return true;
};

/** Always this action, where it was a candidate. */
export const constantPolicy =
  (actionId: string): Policy =>
  ({ candidates }, out) => {
    const place = candidates.findIndex(({ id }) => id === actionId);
    if (place >= 0) out[place] = 1;
    return place >= 0;
  };
