/** A due timer closes the windows that have run out. */
import { removePending } from '#feature-store';
import { DONE } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { matureDecision } from './customer-work.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import type { TimerInput } from './input.ts';

/** A timer that comes twice finds nothing to close. */
export const applyTimer = (work: CustomerWork, { dueMs }: TimerInput, source: Source): StepResult<null> => {
  for (const decision of work.state.pending.filter(({ matureAtMs }) => matureAtMs <= dueMs)) {
    removePending(work.state, decision.decisionId);
    matureDecision(work, decision, source, decision.matureAtMs);
  }
  return DONE;
};
