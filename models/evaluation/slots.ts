/**
 * IPS of an answer with several slots, summed over its slots, under a named assumption about what a slot's reward depends on:
 *
 *   first        only slot 1 is evaluated; nothing is assumed
 *   independent  on its own action alone: w_k = π_e(a_k | above) / p_k  (IIPS: Li, Abbasi-Yadkori, Kveton et al. 2018)
 *   cascade      on its action and those above, as customers read: w_k = Π_{j≤k} π_e / p  (RIPS: McInerney et al. 2020)
 *   standard     on the whole answer: every slot has the weight of all (SIPS)
 *
 * The further down the list the fewer assumptions and the larger the weights. `independent` evaluates each slot behind the slots that were logged above it.
 */
import { AttuneError } from '#contracts';
import type { Terms } from './terms.ts';

export const SLOT_ASSUMPTIONS = ['first', 'independent', 'cascade', 'standard'] as const;
export type SlotAssumption = (typeof SLOT_ASSUMPTIONS)[number];

/** One entry a filled slot; the slots of a decision stand together, from the first. */
export interface LoggedSlots {
  /** From 0, rising; every decision has at least one slot. */
  readonly decision: Int32Array;
  readonly reward: Float64Array;
  /** P(action in this slot | the slots above) under the policy that logged. */
  readonly probability: Float64Array;
  /** The same under the policy that is evaluated. */
  readonly policy: Float64Array;
}

/** One entry a decision. Throws `evaluation.invalid` when decisions are not in order, or a logging probability is not above 0. */
export const slotTerms = ({ decision, reward, probability, policy }: LoggedSlots, assumption: SlotAssumption): Terms => {
  const weights = slotWeights({ decision, reward, probability, policy }, assumption);
  const correction = new Float64Array(decision.at(-1)! + 1);
  decision.forEach((one, i) => (correction[one]! += weights[i]! * reward[i]!));
  return { direct: null, correction, normaliser: null };
};

/** One entry a slot: what its reward is weighed by; 0 for what the assumption leaves out. Throws as `slotTerms`. */
export const slotWeights = ({ decision, probability, policy }: LoggedSlots, assumption: SlotAssumption): Float64Array => {
  if (decision.length === 0) throw new AttuneError('evaluation.no-data', 'there are no slots to evaluate on');
  const weights = new Float64Array(decision.length);
  for (let from = 0; from < decision.length;) {
    const one = decision[from]!;
    let end = from;
    let whole = 1;
    for (; end < decision.length && decision[end] === one; end++) whole *= weightOf(policy[end]!, probability[end]!, end);
    if (from > 0 && one !== decision[from - 1]! + 1)
      throw new AttuneError(
        'evaluation.invalid',
        `decision[${from}] is ${one} after ${decision[from - 1]}: slots must be in the order of decisions`,
      );
    let above = 1;
    for (let i = from; i < (assumption === 'first' ? from + 1 : end); i++) {
      const own = policy[i]! / probability[i]!;
      above *= own;
      weights[i] = assumption === 'standard' ? whole : assumption === 'cascade' ? above : own;
    }
    from = end;
  }
  return weights;
};

const weightOf = (policy: number, probability: number, i: number): number => {
  if (!(probability > 0)) throw new AttuneError('evaluation.invalid', `probability[${i}] is ${probability}: it must be above 0`);
  return policy / probability;
};
