/** One decision's question while it is answered: conditions are evaluated at most once, contacts counted at most once. */
import type { Contact } from '#contracts';
import type { Check, CatalogAction, Rule } from '../catalog/types.ts';
import type { DecideInput } from '../types.ts';
import { localTime } from './local-time.ts';
import type { LocalTime } from './local-time.ts';
import type { Plan } from './plan.ts';

export interface Moment {
  readonly plan: Plan;
  readonly input: DecideInput;
  readonly local: LocalTime;
  readonly readFailed: boolean;
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});

export const openMoment = (plan: Plan, input: DecideInput): Moment => {
  const { view } = input;
  const readFailed = input.readFailed === true;
  const local = localTime(input.nowMs, readFailed ? null : view.attributes['timeZone'], plan.catalog.timeZone);
  plan.memo.fill(0);
  plan.counts.fill(-1);
  const { scope } = plan;
  scope.customer = readFailed ? NOTHING : view.attributes;
  scope.features = readFailed ? NOTHING : plan.features.over(view.featureNames, view.features);
  scope.context = input.context;
  scope.now = local.scope;
  return { plan, input, local, readFailed };
};

/** @param index into the pool */
export const holds = (moment: Moment, index: number, action: CatalogAction): boolean => {
  const { memo, catalog, scope } = moment.plan;
  const known = memo[index]!;
  if (known !== 0) return known === 1;
  const condition = catalog.conditions[index]!;
  if (condition.readsCustomer && moment.readFailed) return false;
  scope.action = action.scope;
  const result = condition.test(scope as never);
  if (!condition.readsAction) memo[index] = result ? 1 : 2;
  return result;
};

/** The first that is false, or -1. */
export const firstFailing = (moment: Moment, checks: readonly Check[], action: CatalogAction): number => {
  for (let i = 0; i < checks.length; i++) if (!holds(moment, checks[i]!.condition, action)) return i;
  return -1;
};

/** The first rule of the contact policy that withholds the action, or null. */
export const withholdingRule = (moment: Moment, rules: readonly Rule[], action: CatalogAction): Rule | null => {
  for (let i = 0; i < rules.length; i++) if (withholds(moment, rules[i]!, action)) return rules[i]!;
  return null;
};

const withholds = (moment: Moment, rule: Rule, action: CatalogAction): boolean => {
  const kind = rule.rule;
  const { view, nowMs } = moment.input;
  switch (kind.kind) {
    case 'require':
      return !holds(moment, kind.check.condition, action);
    case 'quietHours': {
      const { time } = moment.local;
      return kind.from <= kind.to ? time >= kind.from && time < kind.to : time >= kind.from || time < kind.to;
    }
    case 'pending':
      return view.pendingActionIds.includes(action.id);
    case 'limit':
      return countOf(moment, rule, kind, action) >= kind.max;
    case 'coolDown': {
      if (kind.per === 'action') return isCooling(moment, kind, action.id, nowMs);
      for (const member of moment.plan.topicMembers[moment.plan.topicOf[action.index]!]!) if (isCooling(moment, kind, member.id, nowMs)) return true;
      return false;
    }
  }
};

const isCooling = (moment: Moment, kind: { readonly after: string; readonly windowMs: number }, actionId: string, nowMs: number): boolean => {
  const pair = moment.input.view.pair(actionId);
  if (kind.after === 'rejected') return pair.lastRejectedMs > 0 && nowMs - pair.lastRejectedMs < kind.windowMs;
  // The state keeps no time of acceptance: the last showing of an action that was accepted stands for it.
  if (kind.after === 'accepted' && pair.accepted === 0) return false;
  return pair.lastShownMs > 0 && nowMs - pair.lastShownMs < kind.windowMs;
};

const countOf = (moment: Moment, rule: Rule, kind: { readonly per: string; readonly windowMs: number }, action: CatalogAction): number => {
  const { plan } = moment;
  const slot = plan.countAt[rule.index]! + keyOf(plan, kind.per, action.index);
  if (plan.counts[slot]! >= 0) return plan.counts[slot]!;
  let count = 0;
  const { contacts } = moment.input.view;
  for (let i = 0; i < contacts.length; i++) if (counts(moment, rule, kind, contacts[i]!, action)) count++;
  plan.counts[slot] = count;
  return count;
};

const keyOf = (plan: Plan, per: string, action: number): number => {
  switch (per) {
    case 'action':
      return action;
    case 'topic':
      return plan.topicOf[action]!;
    case 'group':
      return plan.groupOf[action]!;
    default:
      return 0;
  }
};

/** An action that the catalog no longer has counts for limits per customer or channel that reach every action. */
const counts = (moment: Moment, rule: Rule, kind: { readonly per: string; readonly windowMs: number }, contact: Contact, action: CatalogAction): boolean => {
  const { plan, input } = moment;
  if (input.nowMs - contact.atMs >= kind.windowMs) return false;
  const { reach } = rule;
  if (reach.directions !== null && !reach.directions.includes(contact.direction)) return false;
  if (reach.channels !== null && !reach.channels.includes(contact.channel)) return false;
  if (kind.per === 'action') return contact.actionId === action.id;
  if (kind.per === 'channel' && contact.channel !== input.channel) return false;
  const index = plan.catalog.indexOf.get(contact.actionId);
  if (index === undefined) return (kind.per === 'customer' || kind.per === 'channel') && reach.groups === null && reach.topics === null && reach.actions === null;
  if (rule.mask[index] === 0) return false;
  if (kind.per === 'topic') return plan.topicOf[index] === plan.topicOf[action.index];
  return kind.per !== 'group' || plan.groupOf[index] === plan.groupOf[action.index];
};
