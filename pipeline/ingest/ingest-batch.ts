/** One batch of one of the operator's topics: decoded, mapped, and appended to the events, what is not usable to the dead letters. */
import { AttuneError, TOPICS, customerKeyToBytes, deadLetterCodec, eventCodec, ingestId, ingestSource, shardOf } from '#contracts';
import type { Clock, CustomerKey, CustomerKeyFunction } from '#contracts';
import type { AppendRecord, EventLog, SourceBatch, SourceRecord, ValueDecoder } from '#event-log';
import type { EventTypes, Source, SourceScope } from '#project';
import { deadLetter, drop, ok } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import { mapRecord } from './map-record.ts';

export interface IngestBatchDeps {
  readonly log: Pick<EventLog, 'append'>;
  readonly source: Source;
  readonly decode: ValueDecoder;
  readonly eventTypes: EventTypes;
  readonly customerKey: CustomerKeyFunction;
  /** When the customer was erased, ms since 1970 UTC; older records would bring back what was forgotten. */
  readonly erasedAt: (key: CustomerKey) => number | undefined;
  readonly clock: Clock;
  readonly metrics: IngestMetrics;
}

/**
 * Appends in the order of the records, and nothing when one of them cannot be judged yet (the registry is away): then it rejects, and
 * the same batch comes again. So what the log holds of a partition is always a run without gaps, which the state's marks rely on.
 */
export const ingestBatch = async (deps: IngestBatchDeps, batch: SourceBatch): Promise<void> => {
  const { metrics } = deps;
  const outputs: AppendRecord[] = [];
  const counted = { events: 0, filtered: 0, deadLetters: 0, erased: 0 };
  for (const record of batch.records) {
    const result = await stepsOf(deps, batch.topicId, record);
    if (result.kind === 'ok') {
      outputs.push(result.value);
      counted.events++;
    } else if (result.kind === 'drop') counted[result.reason === 'erased' ? 'erased' : 'filtered']++;
    else if (deps.source.invalid === 'drop') counted.filtered++;
    else {
      outputs.push(letterOf(record, result.reason, `${deps.source.name}: ${result.message}`, deps.clock()));
      counted.deadLetters++;
    }
  }
  if (outputs.length > 0) await deps.log.append(outputs);
  metrics.records += batch.records.length;
  metrics.events += counted.events;
  metrics.filtered += counted.filtered;
  metrics.deadLetters += counted.deadLetters;
  metrics.erased += counted.erased;
};

/** Waits only where a schema is asked for. */
const stepsOf = (
  deps: IngestBatchDeps,
  topicId: string,
  record: SourceRecord,
): StepResult<AppendRecord> | Promise<StepResult<AppendRecord>> => {
  if (record.value === null) return drop('tombstone');
  try {
    const value = deps.decode(record.value);
    if (!(value instanceof Promise)) return eventOf(deps, topicId, record, value);
    return value.then((late) => eventOf(deps, topicId, record, late)).catch(unusable);
  } catch (error) {
    return unusable(error);
  }
};

/** What another try may cure is thrown on. */
const unusable = (error: unknown): StepResult<never> => {
  if (error instanceof AttuneError && error.code === 'source.value') return deadLetter(error.code, error.message);
  throw error;
};

/** Neither CEL nor an encoder may stop a topic. */
const eventOf = (deps: IngestBatchDeps, topicId: string, record: SourceRecord, value: unknown): StepResult<AppendRecord> => {
  try {
    return mappedEvent(deps, topicId, record, value);
  } catch (error) {
    return deadLetter('record.failed', (error as Error).message);
  }
};

const mappedEvent = (deps: IngestBatchDeps, topicId: string, record: SourceRecord, value: unknown): StepResult<AppendRecord> => {
  const nowMs = deps.clock();
  const mapped = mapRecord(deps.source, scopeOf(record, value), deps.eventTypes, nowMs);
  if (mapped.kind !== 'ok') return mapped;
  const { subjectKind, subjectId, type, timeMs, data } = mapped.value;
  const key = deps.customerKey({ kind: subjectKind, id: subjectId });
  const erasedAt = deps.erasedAt(key);
  if (erasedAt !== undefined && record.timestampMs <= erasedAt) return drop('erased');
  return ok({
    topic: TOPICS.events,
    shard: shardOf(subjectId),
    value: eventCodec.encode({
      id: ingestId(record.topic, record.partition, record.offset),
      source: ingestSource(deps.source.name, topicId),
      type,
      subjectKind,
      subjectId,
      customerKey: customerKeyToBytes(key),
      time: timeMs,
      receivedAt: nowMs,
      data: JSON.stringify(data),
    }),
  });
};

const scopeOf = ({ topic, partition, offset, timestampMs, key, headers }: SourceRecord, value: unknown): SourceScope => ({
  value,
  key: key === null ? null : key.toString('utf8'),
  headers,
  record: { topic, partition, offset, timestamp: timestampMs },
});

const letterOf = ({ topic, partition, offset, value }: SourceRecord, reason: string, message: string, at: number): AppendRecord => ({
  topic: TOPICS.deadLetters,
  shard: partition,
  value: deadLetterCodec.encode({ topic, partition, offset, reason, message, payload: value ?? Buffer.alloc(0), at }),
});
