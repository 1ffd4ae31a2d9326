/** One decision's question while it is answered: conditions are evaluated at most once, contacts counted at most once. */
import { NO_PAIR } from '#contracts';
import type { PairCounters } from '#contracts';
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
  /** The pair counters that were looked up last, and of which action. */
  pairOf: string;
  pair: PairCounters;
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});

export const openMoment = (plan: Plan, input: DecideInput): Moment => {
  const { view } = input;
  const readFailed = input.readFailed === true;
  const local = localTime(input.nowMs, readFailed ? null : view.attributes['timeZone'], plan.catalog.timeZone);
  plan.memo.fill(0);
  plan.counted.fill(0);
  plan.contactsRead = -1;
  const { scope } = plan;
  scope.customer = readFailed ? NOTHING : view.attributes;
  scope.features = readFailed ? NOTHING : plan.features.over(view.featureNames, view.features);
  scope.context = input.context;
  scope.now = local.scope;
  return { plan, input, local, readFailed, pairOf: '', pair: NO_PAIR };
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

export const withholds = (moment: Moment, rule: Rule, action: CatalogAction): boolean => {
  const kind = rule.rule;
  const { view, nowMs } = moment.input;
  switch (kind.kind) {
    case 'require':
      return !holds(moment, kind.check.condition, action);
    case 'quietHours':
      return isQuiet(kind, moment.local.time);
    case 'pending':
      return view.pendingActionIds.includes(action.id);
    case 'limit':
      return countOf(moment, rule, kind, action) >= kind.max;
    case 'coolDown': {
      if (kind.per === 'action') return isCooling(moment, kind, action.id, nowMs);
      for (const member of moment.plan.topicMembers[moment.plan.topicOf[action.index]!]!)
        if (isCooling(moment, kind, member.id, nowMs)) return true;
      return false;
    }
  }
};

/** @param time of the day where the customer is, 0 to 23.99 */
export const isQuiet = ({ from, to }: { readonly from: number; readonly to: number }, time: number): boolean =>
  from <= to ? time >= from && time < to : time >= from || time < to;

const isCooling = (
  moment: Moment,
  kind: { readonly after: string; readonly windowMs: number },
  actionId: string,
  nowMs: number,
): boolean => {
  if (moment.pairOf !== actionId) {
    moment.pairOf = actionId;
    moment.pair = moment.input.view.pair(actionId);
  }
  const atMs = causeIn(moment.pair, kind.after);
  return atMs > 0 && nowMs - atMs < kind.windowMs;
};

/** When it happened last; 0: never. The state keeps no time of acceptance: the last showing of an action that was accepted stands for it. */
const causeIn = (pair: PairCounters, after: string): number => {
  if (after === 'rejected') return pair.lastRejectedMs;
  return after === 'accepted' && pair.accepted === 0 ? 0 : pair.lastShownMs;
};

/** When what a cool-down follows happened last; 0: never. */
export const lastCause = (
  { plan, input }: Moment,
  kind: { readonly after: string; readonly per: 'action' | 'topic' },
  action: CatalogAction,
): number => {
  const members = kind.per === 'action' ? [action] : plan.topicMembers[plan.topicOf[action.index]!]!;
  return Math.max(0, ...members.map(({ id }) => causeIn(input.view.pair(id), kind.after)));
};

const countOf = (moment: Moment, rule: Rule, kind: Limit, action: CatalogAction): number => {
  const { plan } = moment;
  if (plan.counted[rule.index] === 0) countContacts(moment, rule, kind);
  return plan.counts[plan.countAt[rule.index]! + keyOf(plan, kind.per, action.index)]!;
};

type Limit = { readonly per: string; readonly windowMs: number };

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

/**
 * Every key of a rule in one pass over the contacts. An action that the catalog no longer has counts for limits per customer or
 * channel that reach every action.
 */
const countContacts = (moment: Moment, rule: Rule, kind: Limit): void => {
  const { plan } = moment;
  const base = plan.countAt[rule.index]!;
  plan.counted[rule.index] = 1;
  plan.counts.fill(0, base, base + plan.keys);
  const n = readContacts(moment);
  for (let i = 0; i < n; i++) {
    if (!counts(moment, rule, kind, i)) continue;
    const index = plan.contactActions[i]!;
    plan.counts[base + (index < 0 ? 0 : keyOf(plan, kind.per, index))]!++;
  }
};

/** Whether a limit counts the i-th contact, under whichever key. */
const counts = ({ plan, input }: Moment, rule: Rule, kind: Limit, i: number): boolean => {
  const { reach } = rule;
  const contact = input.view.contacts[i]!;
  if (input.nowMs - contact.atMs >= kind.windowMs) return false;
  if (reach.directions !== null && !reach.directions.includes(contact.direction)) return false;
  if (reach.channels !== null && !reach.channels.includes(contact.channel)) return false;
  if (kind.per === 'channel' && contact.channel !== input.channel) return false;
  const index = plan.contactActions[i]!;
  if (index >= 0) return rule.mask[index] === 1;
  return (kind.per === 'customer' || kind.per === 'channel') && reach.groups === null && reach.topics === null && reach.actions === null;
};

/** Of the contacts that a limit counts against the action, newest first. */
export const contactTimes = (moment: Moment, rule: Rule, kind: Limit, action: CatalogAction): readonly number[] => {
  const { plan, input } = moment;
  const key = keyOf(plan, kind.per, action.index);
  const times: number[] = [];
  const n = readContacts(moment);
  for (let i = 0; i < n; i++) {
    const index = plan.contactActions[i]!;
    if (counts(moment, rule, kind, i) && (index < 0 ? 0 : keyOf(plan, kind.per, index)) === key) times.push(input.view.contacts[i]!.atMs);
  }
  return times.toSorted((a, b) => b - a);
};

/** The contacts' actions by index, looked up once a decision. */
const readContacts = ({ plan, input }: Moment): number => {
  if (plan.contactsRead >= 0) return plan.contactsRead;
  const { contacts } = input.view;
  const n = Math.min(contacts.length, plan.contactActions.length);
  for (let i = 0; i < n; i++) plan.contactActions[i] = plan.catalog.indexOf.get(contacts[i]!.actionId) ?? -1;
  plan.contactsRead = n;
  return n;
};
