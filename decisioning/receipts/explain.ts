/** Why a candidate was chosen or not, in words, from the receipt alone; off the hot path. */
import type { Decision } from '#contracts';
import type { CatalogAction } from '../catalog/types.ts';
import { openFunnel } from '../decide/funnel.ts';
import type { Funnel } from '../decide/funnel.ts';
import { firstFailing, openMoment, withholdingRule } from '../decide/moment.ts';
import { planOf } from '../decide/plan.ts';
import { stageName } from '../stages.ts';
import type { StageName } from '../stages.ts';
import { DRAWN_WITHOUT } from '../types.ts';
import { inputOf } from './redecide.ts';
import type { RedecideInput } from './redecide.ts';

export interface CandidateExplanation {
  readonly actionId: string;
  readonly name: string;
  readonly stage: StageName | 'unknown';
  /** The condition or rule that withheld it; null where none did. */
  readonly rule: string | null;
  /** A sentence. */
  readonly reason: string;
  readonly propensity: number | null;
  readonly priority: number | null;
  /** Of slot 1. */
  readonly probability: number | null;
  readonly rank: number | null;
  /** False: chosen or withheld without a draw, so off-policy evaluation must leave it out. */
  readonly insideSupport: boolean;
}

export interface Explanation {
  readonly candidates: readonly CandidateExplanation[];
  readonly none: { readonly probability: number | null; readonly priority: number | null };
  /** A sentence on the whole. */
  readonly summary: string;
}

export const explain = (input: RedecideInput): Explanation => {
  const { receipt, catalog } = input;
  const own = receipt.ownCandidates === null ? null : (JSON.parse(receipt.ownCandidates) as { id: string }[]);
  const funnel = own === null ? openFunnel(openMoment(planOf(catalog), inputOf(input)), receipt.group) : null;
  const subjects =
    own === null
      ? catalog.actions.map((action) => ({ id: action.id, name: action.name, action }))
      : own.map(({ id }) => ({ id, name: id, action: null }));
  const candidates = subjects.map(({ id, name, action }, index): CandidateExplanation => {
    const at = receipt.scored.indexOf(index);
    const stage = stageName(receipt.stages[index]!) ?? 'unknown';
    const rank = receipt.chosen.find((chosen) => chosen.index === index)?.rank ?? null;
    const { rule, reason } = why(receipt, stage, funnel, action, at, rank);
    return {
      actionId: id,
      name,
      stage,
      rule,
      reason,
      propensity: at < 0 ? null : receipt.propensities[at]!,
      priority: at < 0 ? null : receipt.priorities[at]!,
      probability: at < 0 ? null : receipt.probabilities[at]!,
      rank,
      insideSupport: at >= 0 && receipt.probabilities[at]! > 0 && receipt.probabilities[at]! < 1,
    };
  });
  const none = receipt.scored.indexOf(-1);
  return {
    candidates,
    none: { probability: receipt.noneProbability, priority: none < 0 ? null : receipt.priorities[none]! },
    summary: summarise(receipt, candidates),
  };
};

const summarise = (receipt: Decision, candidates: readonly CandidateExplanation[]): string => {
  const scored = candidates.filter((candidate) => candidate.propensity !== null).length;
  const withheld = receipt.scored[receipt.heldOut ?? -1];
  const held = withheld === undefined ? '' : `, ${candidates[withheld]?.actionId ?? '?'} was held out`;
  const chosen = receipt.chosen.length === 0 ? 'nothing was shown' : `shown: ${receipt.chosen.map((one) => one.actionId).join(', ')}`;
  return `${candidates.length} candidates, ${scored} scored, group ${receipt.group}${drawnBy(receipt)}; ${chosen}${held}.`;
};

/** A receipt of the first version does not say; where no policy drew, the group or the operators' control did. */
const drawnBy = ({ policy = '' }: Decision): string => {
  if (policy === '' || policy === DRAWN_WITHOUT.random) return '';
  return policy === DRAWN_WITHOUT.off ? ', exploration off' : `, drawn by ${policy}`;
};

type Why = Pick<CandidateExplanation, 'rule' | 'reason'>;

const why = (
  receipt: Decision,
  stage: StageName | 'unknown',
  funnel: Funnel | null,
  action: CatalogAction | null,
  at: number,
  rank: number | null,
): Why => {
  switch (stage) {
    case 'chosen':
      return { rule: null, reason: chosenReason(receipt, action, at, rank) };
    case 'scored':
      return { rule: null, reason: scoredReason(receipt, action, at) };
    case 'noSlot':
      return { rule: 'mandatory', reason: 'A mandatory notice, but other notices took every slot.' };
    case 'channel':
      return {
        rule: null,
        reason: `It has no treatment for ${receipt.direction} ${receipt.channel}${receipt.placement === null ? '' : ` at ${receipt.placement}`}.`,
      };
    case 'dates':
      return { rule: null, reason: 'It is before its start or after its end.' };
    case 'paused':
      return {
        rule: 'controls',
        reason: 'It is paused, or its channel is paused or does not deliver at this moment; the controls say by whom and why.',
      };
    case 'outboundStopped':
      return { rule: 'controls', reason: 'Operators stopped all outbound messages.' };
    case 'group':
      return { rule: 'untouched', reason: 'This month the customer is in the group that gets no marketing.' };
    case 'unread':
      return { rule: null, reason: "The customer's state could not be read, and this is not a default action." };
    case 'value':
      return { rule: null, reason: 'Its value could not be computed from what is known of the customer.' };
    case 'scope':
      return { rule: null, reason: 'The decision was asked for other actions.' };
    case 'eligibility':
    case 'applicability':
    case 'suitability':
      return checkReason(stage, funnel, action);
    case 'contactPolicy':
      return ruleReason(funnel, action);
    case 'unknown':
      return { rule: null, reason: 'A later version of Attune recorded this stage.' };
  }
};

const UNREADABLE: Why = { rule: null, reason: 'The catalog at hand no longer says why.' };

const checkReason = (stage: 'eligibility' | 'applicability' | 'suitability', funnel: Funnel | null, action: CatalogAction | null): Why => {
  if (funnel === null || action === null) return UNREADABLE;
  const check = action[stage][firstFailing(funnel.moment, action[stage], action)];
  return check === undefined ? UNREADABLE : { rule: check.source, reason: check.reason };
};

const ruleReason = (funnel: Funnel | null, action: CatalogAction | null): Why => {
  if (funnel === null || action === null) return UNREADABLE;
  const rule = withholdingRule(funnel.moment, funnel.face.rules[action.index]!, action);
  return rule === null ? UNREADABLE : { rule: rule.id, reason: rule.reason };
};

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

const chosenReason = (receipt: Decision, action: CatalogAction | null, at: number, rank: number | null): string => {
  if (action?.mandatory === true) return `A mandatory notice: shown in slot ${rank ?? '?'} whatever else there was.`;
  const probability = receipt.chosen.find((chosen) => chosen.rank === rank)?.probability ?? 0;
  const how = probability === 1 ? 'no other could take its place' : `it had a chance of ${percent(probability)}`;
  const best = Math.max(...receipt.priorities);
  const standing =
    at >= 0 && receipt.priorities[at] === best ? 'the highest priority' : 'not the highest priority: explored, or next in line';
  return `Chosen for slot ${rank ?? '?'}: ${standing}; ${how}.`;
};

const scoredReason = (receipt: Decision, action: CatalogAction | null, at: number): string => {
  if (at < 0) return UNREADABLE.reason;
  if (at === receipt.heldOut) {
    const share = percent(receipt.holdouts![at]!);
    return `Chosen, and held out: of those for whom it is chosen, ${share} are not contacted, so that what contacting does is known.`;
  }
  const better = receipt.priorities.filter((priority) => priority > receipt.priorities[at]!).length;
  const chance = receipt.probabilities[at]!;
  const place = better === 0 ? 'It had the highest priority' : `${better} of ${receipt.priorities.length} had a higher priority`;
  const cost = receipt.contactCosts?.[at] ?? 0;
  const why = cost > 0 ? `${place}, less ${cost.toFixed(2)} for the contacts that messages of it cause` : place;
  if (action !== null && !action.explore) return `${why}; it is never explored.`;
  return `${why}; its chance of slot 1 was ${percent(chance)}.`;
};
