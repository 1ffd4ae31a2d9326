/** A dead letter of one of the operator's topics, tried again with today's sources.yaml: Attune gives nothing back to their topics. */
import { TOPICS, customerKeyToBytes, eventCodec, ingestId, shardOf } from '#contracts';
import type { Clock, CustomerKeyFunction, DeadLetter } from '#contracts';
import type { AppendRecord, RegistryClient } from '#event-log';
import type { IngestProject } from './ingest-role.ts';
import { decoderOf } from './decoder-of.ts';
import { mapRecord } from './map-record.ts';

export interface ReplayLetterDeps {
  readonly project: IngestProject;
  readonly registry: RegistryClient | null;
  readonly customerKey: CustomerKeyFunction;
  readonly clock: Clock;
}

/** It never counted, so no mark knows it: it is told apart by its id, like what the API takes. */
const REPLAY_SOURCE = 'attune-replay:';

/**
 * Null: it still gives no valid event, or no source reads its topic any more. A letter holds the value alone: what a source reads of
 * key and headers is missing here.
 */
export const eventOfLetter = async (deps: ReplayLetterDeps, letter: DeadLetter): Promise<AppendRecord | null> => {
  const { project, registry, customerKey, clock } = deps;
  const { topic, partition, offset, payload, message, at } = letter;
  const source = project.sources.find((one) => one.topic === topic && message.startsWith(`${one.name}: `));
  if (source === undefined) return null;
  const value = await valueOf(() => decoderOf(source, registry)(payload));
  if (value === UNREADABLE) return null;
  const scope = { value, key: null, headers: {}, record: { topic, partition, offset, timestamp: at } };
  const mapped = mapRecord(source, scope, project.eventTypes, clock());
  if (mapped.kind !== 'ok') return null;
  const { subjectKind, subjectId, type, timeMs, data } = mapped.value;
  const eventValue = eventCodec.encode({
    id: ingestId(topic, partition, offset),
    source: REPLAY_SOURCE + source.name,
    type,
    subjectKind,
    subjectId,
    customerKey: customerKeyToBytes(customerKey({ kind: subjectKind, id: subjectId })),
    time: timeMs,
    receivedAt: clock(),
    data: JSON.stringify(data),
  });
  return { topic: TOPICS.events, shard: shardOf(subjectId), value: eventValue };
};

const UNREADABLE = Symbol('unreadable');

const valueOf = async (decode: () => unknown): Promise<unknown> => {
  try {
    return await decode();
  } catch (error) {
    if ((error as { code?: string }).code === 'source.value') return UNREADABLE;
    throw error;
  }
};
