/** Attribution: what one outcome makes of a shown action's target and worth. Pure; the same outcomes in any order give the same result. */
import type { OutcomeRule, Rewards } from './rewards.ts';

/** What a decision's slot has come to so far. */
export interface Attributed {
  readonly shown: boolean;
  /** What the head learns from; null: nothing yet. */
  readonly target: number | null;
  /** Money, before the showing's cost. */
  readonly worth: number;
  /** The latest outcome, '' before the first. */
  readonly outcome: string;
  /** When that was; 0 before the first. */
  readonly outcomeAtMs: number;
  /** Of the outcomes so far: the largest, or their sum where worths add up; null when none named one. */
  readonly amount: number | null;
}

export interface OutcomeFact {
  readonly outcome: string;
  readonly amount: number | null;
  /** Set directly by the caller: replaces the rule's worth. */
  readonly reward: number | null;
  readonly occurredAtMs: number;
}

export interface Slot {
  /** The action's value. */
  readonly value: number;
  /** The caller's own candidates: the target is the worth itself. */
  readonly own: boolean;
}

export const NOTHING_YET: Attributed = Object.freeze({ shown: false, target: null, worth: 0, outcome: '', outcomeAtMs: 0, amount: null });

/** Null: no rule knows this outcome, and the caller set no reward. */
export const ruleOf = (rewards: Rewards, fact: OutcomeFact): OutcomeRule | null => {
  const rule = rewards.outcomes.get(fact.outcome);
  if (rule !== undefined) return rule;
  if (fact.reward === null) return null;
  return {
    name: fact.outcome,
    target: fact.reward > 0 ? 1 : 0,
    worth: { fixed: 0, fraction: 0, amount: 0 },
    neutral: false,
    voids: false,
    shown: true,
    rejects: false,
  };
};

/**
 * last: the outcome that happened latest decides; max: the worth that weighs most, gain or loss (a tie goes to the loss), and
 * target 1 once accepted; sum: worths add up. A neutral outcome is noted and changes nothing else. One that voids the showing stands against all
 * that came before and comes after.
 */
export const attribute = (rewards: Rewards, slot: Slot, before: Attributed, fact: OutcomeFact): Attributed => {
  const rule = ruleOf(rewards, fact);
  if (rule === null) return before;
  const later = isLater(rewards, before, fact, rule);
  const wasVoid = rewards.outcomes.get(before.outcome)?.voids === true;
  if (rule.voids)
    return wasVoid && !later ? before : { ...NOTHING_YET, shown: rule.shown, outcome: fact.outcome, outcomeAtMs: fact.occurredAtMs };
  if (wasVoid) return before;
  const shown = before.shown || rule.shown;
  const noted = {
    shown,
    outcome: later ? fact.outcome : before.outcome,
    outcomeAtMs: later ? fact.occurredAtMs : before.outcomeAtMs,
    amount: amountOf(rewards.combine, before.amount, fact.amount),
  };
  if (rule.neutral && fact.reward === null) return { ...noted, target: before.target, worth: before.worth };
  const worth = combine(rewards.combine, before, worthOf(rule, slot, fact), later);
  if (slot.own) return { ...noted, worth, target: shown ? worth : before.target };
  return { ...noted, worth, target: targetOf(rewards.combine, before.target, rule.target, later) };
};

/**
 * Ties in time are broken by name, so that order of arrival does not matter; where the last one decides, a neutral outcome never
 * stands before one that is not.
 */
const isLater = (rewards: Rewards, before: Attributed, fact: OutcomeFact, rule: OutcomeRule): boolean => {
  const beforeNeutral = before.outcome === '' || rewards.outcomes.get(before.outcome)?.neutral === true;
  if (rewards.combine === 'last' && beforeNeutral !== rule.neutral) return beforeNeutral;
  return fact.occurredAtMs > before.outcomeAtMs || (fact.occurredAtMs === before.outcomeAtMs && fact.outcome > before.outcome);
};

const worthOf = (rule: OutcomeRule, slot: Slot, fact: OutcomeFact): number =>
  fact.reward ?? rule.worth.fixed + rule.worth.fraction * slot.value + rule.worth.amount * (fact.amount ?? 0);

const combine = (how: Rewards['combine'], before: Attributed, worth: number, later: boolean): number => {
  if (how === 'sum') return before.worth + worth;
  if (how === 'last') return later ? worth : before.worth;
  const weight = Math.abs(worth) - Math.abs(before.worth);
  return weight > 0 || (weight === 0 && worth < before.worth) ? worth : before.worth;
};

const amountOf = (how: Rewards['combine'], before: number | null, amount: number | null): number | null => {
  if (amount === null || before === null) return amount ?? before;
  return how === 'sum' ? before + amount : Math.max(before, amount);
};

const targetOf = (how: Rewards['combine'], before: number | null, target: 0 | 1 | null, later: boolean): number | null => {
  if (target === null) return before;
  if (how === 'last') return later || before === null ? target : before;
  return Math.max(before ?? 0, target);
};
