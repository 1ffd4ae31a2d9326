/** An event is folded into features and attributes; where it names an action that was decided, it is that decision's outcome. */
import { countInbound, foldEvent, hasSeen, isCounted, moveMark, rememberNew } from '#feature-store';
import { DONE, deadLetter, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import type { RecogniseRule } from '../rewards/rewards.ts';
import { attributeToItem } from './apply-outcome.ts';
import { sourceOf } from './customer-work.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import { parseEventData } from './event-data.ts';
import type { EventData } from './event-data.ts';
import type { EventInput } from './input.ts';
import { pullTriggers } from './reach-out.ts';
import { StoredEvent, identityOf, markOf } from './stored-event.ts';

export const applyEvent = (work: CustomerWork, { event, record }: EventInput): StepResult<null> => {
  const stored = event instanceof StoredEvent ? event : null;
  const identity = stored === null ? identityOf(event) : stored.identity;
  const mark = stored === null ? markOf(event) : stored.mark;
  if (mark === null ? hasSeen(work.state, identity) : isCounted(work.state, mark)) return drop('duplicate');
  const { featureSet, rewards } = work.facts;
  const folds = featureSet.plans.has(event.type);
  const rules = rewards.recognise.get(event.type);
  const listens = work.rules.listens(event.type);
  if (folds || rules !== undefined || listens) {
    const data = stored?.flatData ?? parseEventData(event.data);
    if (data === null) return deadLetter('event.data', `data of ${event.type} ${event.id} is not a JSON object`);
    if (folds) foldEvent(work.state, event, data);
    if (rules !== undefined) {
      const source = sourceOf(record);
      for (const rule of rules) recognise(work, rule, data, event.time, source);
    }
    if (listens) hear(work, event, data, record);
  }
  if (mark === null) rememberNew(work.state, identity, event.receivedAt);
  else moveMark(work.state, mark);
  return DONE;
};

/** A trial counts the customer's coming before a trigger can answer it. */
const hear = (work: CustomerWork, { type, time, receivedAt }: EventInput['event'], data: EventData, record: EventInput['record']): void => {
  if (work.rules.isInbound(type)) countInbound(work.state, time);
  pullTriggers(work, { type, time, receivedAt, data }, sourceOf(record), record.timestampMs);
};

/** The newest open decision that offered this action wins: one order is one outcome. */
const recognise = (work: CustomerWork, rule: RecogniseRule, data: EventData, occurredAtMs: number, source: Source): void => {
  const actionId = data[rule.actionField];
  const amount = rule.amountField === null ? null : data[rule.amountField];
  if (typeof actionId !== 'string') return;
  const { pending } = work.state;
  for (let i = pending.length - 1; i >= 0; i--) {
    const decision = pending[i]!;
    if (decision.loop !== '' || decision.decidedAtMs > occurredAtMs || decision.decidedAtMs + rule.withinMs < occurredAtMs) continue;
    const item = decision.items.find((candidate) => candidate.actionId === actionId);
    if (item === undefined) continue;
    const fact = { outcome: rule.outcome, amount: typeof amount === 'number' ? amount : null, reward: null, occurredAtMs };
    attributeToItem(work, decision, item, fact, { kind: 'recognised', occurredAtMs, source });
    return;
  }
};
