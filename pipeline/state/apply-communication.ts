/** A message's fate is the outcome of the decision that asked for it: delivered is an impression, lost is undelivered. */
import { findPending, hasSeen, rememberId } from '#feature-store';
import { decisionIdFromBytes } from '#contracts';
import type { Communication } from '#contracts';
import { DONE, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { attributeToItem } from './apply-outcome.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import type { CommunicationInput } from './input.ts';

const OUTCOMES: Readonly<Partial<Record<Communication['state'], string>>> = {
  delivered: 'impression',
  failed: 'undelivered',
  bounced: 'undelivered',
  expired: 'undelivered',
};

export const applyCommunication = (work: CustomerWork, { communication }: CommunicationInput, source: Source): StepResult<null> => {
  const outcome = OUTCOMES[communication.state];
  if (outcome === undefined || communication.decisionId === null) return drop('no-effect');
  const identity = `communication:${communication.communicationId.toString('hex')}/${communication.state}`;
  if (hasSeen(work.state, identity)) return drop('duplicate');
  const decision = findPending(work.state, decisionIdFromBytes(communication.decisionId));
  if (decision === undefined) return drop('late');
  rememberId(work.state, identity, communication.at);
  const fact = { outcome, amount: null, reward: null, occurredAtMs: communication.at };
  for (const item of decision.items)
    attributeToItem(work, decision, item, fact, { kind: 'provisional', occurredAtMs: communication.at, source });
  return DONE;
};
