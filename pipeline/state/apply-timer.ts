/** A due timer closes the windows that have run out, and makes the decisions that were planned for now. */
import { UNSAID, customerKeyToBytes, decisionIdToBytes } from '#contracts';
import { closeTrials, forgetMessages, forgetRecent, removePending, takeDue } from '#feature-store';
import type { Trial } from '#feature-store';
import { DONE } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { matureDecision } from './customer-work.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import type { TimerInput } from './input.ts';
import { reachOut } from './reach-out.ts';

/** A timer that comes twice finds nothing to close. */
export const applyTimer = (work: CustomerWork, { dueMs, record }: TimerInput, source: Source): StepResult<null> => {
  for (const decision of work.state.pending.filter(({ matureAtMs }) => matureAtMs <= dueMs)) {
    removePending(work.state, decision.decisionId);
    matureDecision(work, decision, source, decision.matureAtMs);
  }
  for (const trial of closeTrials(work.state, dueMs)) matureTrial(work, trial);
  forgetMessages(work.state, dueMs);
  forgetRecent(work.state, dueMs);
  for (const planned of takeDue(work.state, dueMs)) reachOut(work, planned, source, record.timestampMs);
  return DONE;
};

const matureTrial = (work: CustomerWork, { decisionId, channel, actionId, arm, holdoutShare, endMs, inboundContacts }: Trial): void => {
  const id = decisionIdToBytes(decisionId);
  work.communications.push({
    ...UNSAID,
    communicationId: id,
    decisionId: id,
    customerKey: customerKeyToBytes(work.key),
    channel,
    actionId,
    treatmentId: '',
    state: 'matured',
    arm,
    holdoutShare,
    inboundContacts,
    at: endMs,
  });
};
