/** An outcome meets its decision: target and worth, pair counters, contacts, and a reward that says so. */
import { addContact, countPair, takeBackContact, findPending, hasSeen, isLetOut, rememberId } from '#feature-store';
import type { PendingDecision, PendingItem } from '#feature-store';
import type { DecisionId, Outcome } from '#contracts';
import { attribute, ruleOf } from '../rewards/attribute.ts';
import type { OutcomeFact } from '../rewards/attribute.ts';
import { DONE, deadLetter, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { emitReward } from './customer-work.ts';
import { planOutreach } from './reach-out.ts';
import type { Cause, CustomerWork, Source } from './customer-work.ts';

/** What the ring of identities keeps of a counted outcome. */
export const identityOfOutcome = (decisionId: DecisionId, outcome: Pick<Outcome, 'outcomeId'>): string =>
  `outcome:${decisionId}/${outcome.outcomeId}`;

export const applyOutcome = (work: CustomerWork, decisionId: DecisionId, outcome: Outcome, source: Source): StepResult<null> => {
  const identity = identityOfOutcome(decisionId, outcome);
  if (hasSeen(work.state, identity)) return drop('duplicate');
  const decision = findPending(work.state, decisionId);
  if (decision === undefined)
    return deadLetter(
      'outcome.late',
      `decision ${decisionId} is not open any more: its window closed, or newer decisions of the customer took its place, before ${outcome.outcome} came`,
    );
  const item = decision.items.find(({ actionId }) => actionId === outcome.actionId);
  if (item === undefined) return deadLetter('outcome.action', `decision ${decisionId} chose no action ${outcome.actionId}`);
  const fact: OutcomeFact = { outcome: outcome.outcome, amount: outcome.amount, reward: outcome.reward, occurredAtMs: outcome.occurredAt };
  if (ruleOf(work.facts.rewards, fact) === null) {
    return deadLetter('outcome.unknown', `rewards.yaml names no outcome ${outcome.outcome}, and it carries no reward of its own`);
  }
  rememberId(work.state, identity, outcome.receivedAt);
  attributeToItem(work, decision, item, fact, { kind: 'outcome', occurredAtMs: outcome.occurredAt, source });
  if (outcome.outcome === 'later' && decision.loop === '') snooze(work, decision, item, outcome.occurredAt);
  return DONE;
};

/** Who said `later` is asked again later, by a message if the customer was asked by one, else where there is a way. */
const snooze = (work: CustomerWork, { channel, direction, decisionId }: PendingDecision, { actionId }: PendingItem, atMs: number): void => {
  const dueMs = work.rules.snoozeUntil(actionId, atMs);
  if (dueMs === null) return;
  planOutreach(work, {
    cause: 'snooze',
    rootId: decisionId,
    channel: direction === 'outbound' ? channel : '',
    scope: JSON.stringify({ actions: [actionId] }),
    context: '{}',
    dueMs,
    expiresAtMs: dueMs + work.rules.expireMs,
  });
};

/** Says nothing when nothing changed: a second click adds no reward. */
export const attributeToItem = (
  work: CustomerWork,
  decision: PendingDecision,
  item: PendingItem,
  fact: OutcomeFact,
  cause: Cause,
): void => {
  const { rewards } = work.facts;
  const before = {
    shown: item.shown,
    target: item.target,
    worth: item.reward ?? 0,
    outcome: item.outcome ?? '',
    outcomeAtMs: item.outcomeAtMs,
    amount: item.amount,
  };
  const after = attribute(rewards, { value: item.value, own: decision.loop !== '' }, before, fact);
  const rule = ruleOf(rewards, fact)!;
  item.shown = after.shown;
  item.target = after.target;
  item.reward = after.worth;
  item.outcome = after.outcome === '' ? null : after.outcome;
  item.outcomeAtMs = after.outcomeAtMs;
  item.amount = after.amount;

  const shown = after.shown && !before.shown;
  const accepted = rule.target === 1 && after.target !== null && !((before.target ?? 0) > 0);
  const unaccepted = rule.voids && (before.target ?? 0) > 0;
  // The gate has counted what it let out.
  if (shown && !isLetOut(work.state, decision.decisionId))
    addContact(work.state, { atMs: cause.occurredAtMs, channel: decision.channel, direction: decision.direction, actionId: item.actionId });
  const unshown = before.shown && !after.shown;
  if (unshown && !isLetOut(work.state, decision.decisionId))
    takeBackContact(work.state, {
      atMs: decision.decidedAtMs,
      channel: decision.channel,
      direction: decision.direction,
      actionId: item.actionId,
    });
  if (shown || unshown || accepted || unaccepted || rule.rejects) {
    countPair(work.state, item.actionId, {
      shown: shown ? 1 : unshown ? -1 : 0,
      accepted: accepted ? 1 : unaccepted ? -1 : 0,
      rejected: rule.rejects ? 1 : 0,
      atMs: cause.occurredAtMs,
    });
  }
  const changed =
    shown ||
    after.target !== before.target ||
    after.worth !== before.worth ||
    after.outcome !== before.outcome ||
    after.amount !== before.amount;
  if (changed) emitReward(work, decision, item, cause);
};
