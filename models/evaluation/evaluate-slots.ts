/** What a policy is worth over all slots of its answers, under a named assumption: by slot, in sum, and less what was logged. */
import { AttuneError } from '#contracts';
import type { CollectedRounds } from './collect-rounds.ts';
import { asymptoticInterval, DEFAULT_LEVEL } from './interval.ts';
import { pairedTerms } from './paired-difference.ts';
import { slotTerms, slotWeights, type LoggedSlots, type SlotAssumption } from './slots.ts';
import { meanOf } from './terms.ts';

export interface SlotEvaluation {
  readonly assumption: SlotAssumption;
  readonly slots: readonly {
    /** From 1. */
    readonly rank: number;
    readonly filled: number;
    /** Reward per decision of the log, whether the slot was filled or not. */
    readonly logged: number;
    /** IPS of the same. */
    readonly value: number;
    /** (Σ w)² / Σ w² of its weights. */
    readonly effectiveN: number;
    readonly largestWeight: number;
  }[];
  /** Reward per decision, all slots. */
  readonly logged: number;
  /** IPS; asymptotic, clustered by customer. */
  readonly total: { readonly value: number; readonly low: number; readonly high: number };
  readonly difference: { readonly value: number; readonly low: number; readonly high: number };
}

/**
 * @param rounds collected with `slots`
 * @throws AttuneError `evaluation.invalid` for `standard` where `none` took part: with which probability it ended an answer is not in the log, so
 * nobody knows the probability of a whole answer
 */
export const evaluateSlots = (
  rounds: CollectedRounds,
  assumption: SlotAssumption,
  { level = DEFAULT_LEVEL }: { readonly level?: number } = {},
): SlotEvaluation => {
  const { slots, clusters, withNone } = rounds;
  if (slots === null) throw new AttuneError('evaluation.invalid', 'the rounds were collected without their slots');
  if (assumption === 'standard' && withNone > 0)
    throw new AttuneError(
      'evaluation.invalid',
      `'none' took part in ${withNone.toLocaleString('en')} decisions, and with which probability it ended an answer is not in the log: ` +
        'use --slots cascade, which does not need it',
    );
  const terms = slotTerms(slots, assumption);
  const asLogged = slotTerms({ ...slots, policy: slots.probability }, 'independent');
  const bounds = (of: typeof terms) => {
    const { value, low, high } = asymptoticInterval(of, { level, clusters });
    return { value, low, high };
  };
  return {
    assumption,
    slots: bySlot(slots, slotWeights(slots, assumption)),
    logged: meanOf(asLogged.correction),
    total: bounds(terms),
    difference: bounds(pairedTerms(terms, asLogged)),
  };
};

const bySlot = ({ decision, reward }: LoggedSlots, weights: Float64Array): SlotEvaluation['slots'] => {
  const decisions = decision.at(-1)! + 1;
  const sums: { filled: number; logged: number; value: number; weight: number; squares: number; largest: number }[] = [];
  let slot = 0;
  decision.forEach((one, i) => {
    slot = i > 0 && decision[i - 1] === one ? slot + 1 : 0;
    const sum = (sums[slot] ??= { filled: 0, logged: 0, value: 0, weight: 0, squares: 0, largest: 0 });
    const w = weights[i]!;
    sum.filled++;
    sum.logged += reward[i]!;
    sum.value += w * reward[i]!;
    sum.weight += w;
    sum.squares += w * w;
    sum.largest = Math.max(sum.largest, w);
  });
  return sums.map(({ filled, logged, value, weight, squares, largest }, k) => ({
    rank: k + 1,
    filled,
    logged: logged / decisions,
    value: value / decisions,
    effectiveN: squares > 0 ? (weight * weight) / squares : 0,
    largestWeight: largest,
  }));
};
