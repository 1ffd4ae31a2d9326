/** What the state role reads, decoded: one variant a topic, and Attune's own timer events. */
import type { Communication, CustomerKey, Decision, DecisionId, Outcome } from '#contracts';
import type { LogRecord } from '#event-log';
import type { FoldableEvent } from './stored-event.ts';

interface OfRecord {
  readonly record: LogRecord;
  /** Index of the record's topic in STATE_INPUTS, hence in the position vector. */
  readonly topicIndex: number;
  /** Of whom it is about; null: the record does not say, and another of the same customer may. */
  readonly shard: number | null;
}

export interface EventInput extends OfRecord {
  readonly kind: 'event';
  readonly key: CustomerKey;
  readonly event: FoldableEvent;
}

export interface TimerInput extends OfRecord {
  readonly kind: 'timer';
  /** Of a customer, or of a decision whose outcomes wait. */
  readonly key: CustomerKey;
  readonly dueMs: number;
}

/** Its turn in a run of a segment. */
export interface TurnInput extends OfRecord {
  readonly kind: 'turn';
  readonly key: CustomerKey;
  readonly segmentId: string;
  readonly runAtMs: number;
}

export interface DecisionInput extends OfRecord {
  readonly kind: 'decision';
  readonly key: CustomerKey;
  readonly decisionId: DecisionId;
  readonly decision: Decision;
}

export interface OutcomeInput extends OfRecord {
  readonly kind: 'outcome';
  readonly decisionId: DecisionId;
  readonly outcome: Outcome;
}

export interface CommunicationInput extends OfRecord {
  readonly kind: 'communication';
  readonly key: CustomerKey;
  readonly communication: Communication;
}

export type StateInput = EventInput | TimerInput | TurnInput | DecisionInput | OutcomeInput | CommunicationInput;
