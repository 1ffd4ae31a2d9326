/** A decision becomes part of its customer: it waits for outcomes, and what its channel implies is taken as seen. */
import { addPending, findPending, hasSeen, rememberId } from '#feature-store';
import type { PendingDecision, PendingItem } from '#feature-store';
import { customerKeyOfDecision } from '#contracts';
import type { Decision } from '#contracts';
import { isOfBatch } from '../batch/batch-cause.ts';
import { channelRule, windowOf } from '../rewards/rewards.ts';
import { DONE, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { attributeToItem } from './apply-outcome.ts';
import type { StateFacts } from './context.ts';
import { matureDecision } from './customer-work.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import { passGate } from './gate.ts';
import type { DecisionInput } from './input.ts';

export const applyDecision = (work: CustomerWork, { decision, decisionId, key }: DecisionInput, source: Source): StepResult<null> => {
  const identity = `decision:${decisionId}`;
  // The ring forgets what a busy customer sent before; what still waits for its outcomes is known by itself.
  if (hasSeen(work.state, identity) || findPending(work.state, decisionId) !== undefined) return drop('duplicate');
  rememberId(work.state, identity, decision.decidedAt);
  const isDelivered =
    decision.direction === 'outbound' && decision.loop === '' && work.rules.delivers(decision.channel) && !isOfBatch(decision);
  if (isDelivered && work.desk !== null && !passGate(work, work.desk, decision)) return DONE;
  if (decision.chosen.length === 0) return DONE;

  const pending = pendingOf(decision, decisionId, work.facts);
  if (customerKeyOfDecision(decisionId) !== key) work.links.set(decisionId, true);
  for (const evicted of addPending(work.state, pending)) matureDecision(work, evicted, source, decision.decidedAt);

  const { implies } = channelRule(work.facts.rewards, decision.channel);
  // What Attune delivers is seen when it has arrived.
  if (implies === null || isDelivered) return DONE;
  for (const item of pending.items) {
    const fact = { outcome: implies, amount: null, reward: null, occurredAtMs: decision.decidedAt };
    attributeToItem(work, pending, item, fact, { kind: 'provisional', occurredAtMs: decision.decidedAt, source });
  }
  return DONE;
};

const pendingOf = (
  decision: Decision,
  decisionId: PendingDecision['decisionId'],
  { rewards, actionGroup }: StateFacts,
): PendingDecision => {
  const own = decision.loop !== '';
  const windows = decision.chosen.map(({ actionId }) => windowOf(rewards, decision.channel, own ? null : actionGroup(actionId)));
  return {
    decisionId,
    decidedAtMs: decision.decidedAt,
    channel: decision.channel,
    direction: decision.direction,
    loop: decision.loop,
    matureAtMs: decision.decidedAt + Math.max(...windows),
    items: decision.chosen.map(({ rank, actionId, value }): PendingItem => ({
      rank,
      actionId,
      value,
      revision: 0,
      shown: false,
      target: null,
      reward: null,
      outcome: null,
      outcomeAtMs: 0,
      amount: null,
    })),
  };
};
