/**
 * A message's fate is the outcome of the decision that asked for it: delivered is an impression; lost is undelivered and gives its contact back,
 * unless it is in doubt whether it is lost.
 */
import {
  addRecent,
  closeMessage,
  findPending,
  hasSeen,
  letOut,
  openTrial,
  rememberId,
  removePending,
  unplanChain,
  updateRecent,
} from '#feature-store';
import { DAY_MS, SCHEDULED, decisionIdFromBytes } from '#contracts';
import type { Communication, DecisionId } from '#contracts';
import { DONE, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { attributeToItem } from './apply-outcome.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import { identityOfVerdict, KEPT_MS, recentOf } from './gate.ts';
import type { CommunicationInput } from './input.ts';
import { planOutreach } from './reach-out.ts';

export const applyCommunication = (work: CustomerWork, { communication }: CommunicationInput, source: Source): StepResult<null> => {
  if (communication.decisionId === null) return drop('no-effect');
  const decisionId = decisionIdFromBytes(communication.decisionId);
  switch (communication.state) {
    case 'queued':
    case 'heldOut':
    case 'deferred':
    case 'denied':
      return work.desk === null || communication.reasonCode === SCHEDULED
        ? takeVerdict(work, decisionId, communication)
        : drop('no-effect');
    case 'matured':
      return drop('no-effect');
    default:
      return tell(work, decisionId, communication, source);
  }
};

/** Whoever answers the customer knows of each step; only some of them settle the decision. */
const tell = (work: CustomerWork, decisionId: DecisionId, communication: Communication, source: Source): StepResult<null> => {
  // What waits for its time does not come any more.
  if (communication.state === 'cancelled' && unplanChain(work.state, decisionIdFromBytes(communication.communicationId))) {
    work.timerMoves = true;
    return DONE;
  }
  const isNews = updateRecent(work.state, decisionId, communication);
  const settled = settleBy(work, decisionId, communication, source);
  return isNews ? DONE : settled;
};

const settleBy = (work: CustomerWork, decisionId: DecisionId, communication: Communication, source: Source): StepResult<null> => {
  const { state, channel } = communication;
  if (state === 'sent' && work.rules.confirms(channel)) return drop('no-effect');
  return settle(work, decisionId, communication, source, state === 'sent' || state === 'delivered');
};

const settle = (
  work: CustomerWork,
  decisionId: DecisionId,
  { communicationId, state, at, doubtful }: Communication,
  source: Source,
  reached: boolean,
): StepResult<null> => {
  const identity = `communication:${communicationId.toString('hex')}/${state}`;
  if (hasSeen(work.state, identity)) return drop('duplicate');
  const decision = findPending(work.state, decisionId);
  if (decision !== undefined) {
    const fact = { outcome: reached ? 'impression' : 'undelivered', amount: null, reward: null, occurredAtMs: at };
    for (const item of decision.items) attributeToItem(work, decision, item, fact, { kind: 'provisional', occurredAtMs: at, source });
  }
  // What was sent may still bounce; what a customer has answered was there, whatever the peer says; what may have been there is counted.
  const isKept = reached || doubtful || wasSeen(decision);
  const isKnown = reached && state === 'sent' ? false : closeMessage(work.state, decisionId, isKept);
  if (decision === undefined && !isKnown) return drop('late');
  rememberId(work.state, identity, at);
  work.timerMoves = true;
  return DONE;
};

const wasSeen = (decision: ReturnType<typeof findPending>): boolean => decision?.items.some(({ shown }) => shown) === true;

/** In a rebuild, or of what was asked for a later time: what was said then is what counts, the first time that it was said. */
const takeVerdict = (work: CustomerWork, decisionId: DecisionId, communication: Communication): StepResult<null> => {
  const identity = identityOfVerdict(decisionId);
  if (hasSeen(work.state, identity)) return drop('duplicate');
  rememberId(work.state, identity, communication.at);
  const { state, actionId, channel, at, until, expiresAt, arm, holdoutShare } = communication;
  if (state === 'queued') {
    letOut(work.state, { decisionId, actionId, channel, atMs: at, endMs: (expiresAt ?? at) + KEPT_MS });
    addRecent(work.state, recentOf(decisionId, communication, work.rules.trialWindowMs));
  } else removePending(work.state, decisionId);
  if (arm !== '' && until !== null)
    openTrial(work.state, { decisionId, actionId, channel, arm, holdoutShare, endMs: until, inboundContacts: 0 });
  if (state === 'deferred' && communication.request !== null) planAgain(work, decisionId, communication, communication.request);
  work.timerMoves = true;
  return DONE;
};

const planAgain = (work: CustomerWork, rootId: DecisionId, { cause, at, until, expiresAt }: Communication, request: string): void => {
  const { channel, scope, context } = JSON.parse(request) as { channel: string; scope: string; context: string };
  const dueMs = until ?? at;
  planOutreach(work, { cause, rootId, channel, scope, context, dueMs, expiresAtMs: expiresAt ?? dueMs + DAY_MS });
};
