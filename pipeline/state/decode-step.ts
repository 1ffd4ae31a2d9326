/** Step 1 of state: bytes to words; what cannot be read is a dead letter. */
import {
  ACTION_PAUSED_EVENT,
  ATTUNE_SOURCE,
  TOPICS,
  SEGMENT_TURN_EVENT,
  STATE_INPUTS,
  communicationCodec,
  customerKeyFromBytes,
  decisionCodec,
  decisionIdFromBytes,
  eventCodec,
  outcomeCodec,
  parseSegmentTurn,
  shardOf,
} from '#contracts';
import type { LogRecord } from '#event-log';
import { deadLetter, drop, ok } from '../steps.ts';
import type { Step, StepResult } from '../steps.ts';
import { TIMER_EVENT, shardOfTimer } from './timer-event.ts';
import type { StateInput } from './input.ts';
import { EVENTS, StoredEvent, readStoredEvent } from './stored-event.ts';

const [DECISIONS, OUTCOMES, COMMUNICATIONS] = [TOPICS.decisions, TOPICS.outcomes, TOPICS.communications].map((topic) =>
  STATE_INPUTS.indexOf(topic),
) as [number, number, number];

export const decodeStep: Step<LogRecord, StateInput> = function decode(record) {
  try {
    return decodeRecord(record);
  } catch (error) {
    return deadLetter('record.unreadable', (error as Error).message);
  }
};

const decodeRecord = (record: LogRecord): StepResult<StateInput> => {
  switch (record.topic) {
    case TOPICS.events: {
      const event = readStoredEvent(record) ?? eventCodec.decode(record.value);
      const key = event instanceof StoredEvent ? event.key : customerKeyFromBytes(event.customerKey);
      if (event.type === TIMER_EVENT && event.source === ATTUNE_SOURCE)
        return ok({ kind: 'timer', record, topicIndex: EVENTS, key, shard: shardOfTimer(event.data), dueMs: event.time });
      if (event.type === SEGMENT_TURN_EVENT && event.source === ATTUNE_SOURCE) {
        const turn = parseSegmentTurn(event.data);
        if (turn === null) return deadLetter('event.data', `the data of ${event.type} ${event.id} names no segment, run and shard`);
        return ok({ kind: 'turn', record, topicIndex: EVENTS, key, ...turn });
      }
      // Of an action: there is no customer to fold it into.
      if (event.type === ACTION_PAUSED_EVENT && event.source === ATTUNE_SOURCE) return drop('no-effect');
      if (event instanceof StoredEvent) return ok(event);
      const shard = event.subjectId === null ? null : shardOf(event.subjectId);
      return ok({ kind: 'event', record, topicIndex: EVENTS, key, shard, event });
    }
    case TOPICS.decisions: {
      const decision = decisionCodec.decode(record.value);
      return ok({
        kind: 'decision',
        record,
        topicIndex: DECISIONS,
        key: customerKeyFromBytes(decision.customerKey),
        shard: shardOfId(decision.decisionId),
        decisionId: decisionIdFromBytes(decision.decisionId),
        decision,
      });
    }
    case TOPICS.outcomes: {
      const outcome = outcomeCodec.decode(record.value);
      return ok({
        kind: 'outcome',
        record,
        topicIndex: OUTCOMES,
        shard: shardOfId(outcome.decisionId),
        decisionId: decisionIdFromBytes(outcome.decisionId),
        outcome,
      });
    }
    case TOPICS.communications: {
      const communication = communicationCodec.decode(record.value);
      // It is nobody's outcome, and does not say where its customer's state is.
      if (communication.decisionId === null) return drop('no-effect');
      return ok({
        kind: 'communication',
        record,
        topicIndex: COMMUNICATIONS,
        shard: shardOfId(communication.decisionId),
        key: customerKeyFromBytes(communication.customerKey),
        communication,
      });
    }
    default:
      return deadLetter('record.topic', `state does not read ${record.topic}`);
  }
};

/** A decision's id ends in the shard of whom it was made for. */
const shardOfId = (decisionId: Buffer): number => decisionId.readUInt16BE(14);
