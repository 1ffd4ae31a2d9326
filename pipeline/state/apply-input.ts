/** Step 2 of state: one decoded record meets its customer. */
import type { StepResult } from '../steps.ts';
import { applyCommunication } from './apply-communication.ts';
import { applyDecision } from './apply-decision.ts';
import { applyEvent } from './apply-event.ts';
import { applyOutcome } from './apply-outcome.ts';
import { applyTimer } from './apply-timer.ts';
import { applyTurn } from './apply-turn.ts';
import { sourceOf } from './customer-work.ts';
import type { CustomerWork } from './customer-work.ts';
import type { StateInput } from './input.ts';

export const applyInput = (work: CustomerWork, input: StateInput): StepResult<null> => {
  if (input.kind === 'event') return applyEvent(work, input);
  const source = sourceOf(input.record);
  switch (input.kind) {
    case 'decision':
      return applyDecision(work, input, source);
    case 'outcome':
      return applyOutcome(work, input.decisionId, input.outcome, source);
    case 'timer':
      return applyTimer(work, input, source);
    case 'turn':
      return applyTurn(work, input, source);
    case 'communication':
      return applyCommunication(work, input, source);
  }
};
