/** The dead letters of the log: listed for a person, and given back to the topic they came from. */
import { COMPACTED_TOPICS, TOPICS, TOPIC_CODECS, deadLetterCodec, rewardCodec } from '#contracts';
import type { DeadLetter, Topic } from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import { decodeStep } from '../state/decode-step.ts';

export interface DeadLetterFilter {
  /** Of the record that was refused. */
  readonly topic?: string;
  readonly reason?: string;
  readonly partition?: number;
  readonly offset?: number;
  /** ms since 1970 UTC */
  readonly sinceMs?: number;
  /** Newest kept. Default: all. */
  readonly limit?: number;
}

const PAGE = 1_000;

/** Oldest first; one entry a refused record, however often a crash made it be written. */
export const listDeadLetters = async (log: EventLog, filter: DeadLetterFilter = {}): Promise<readonly DeadLetter[]> => {
  const found = new Map<string, DeadLetter>();
  for (let partition = 0; partition < log.partitions; partition++) {
    let offset = 0;
    for (;;) {
      const records = await log.read(TOPICS.deadLetters, partition, offset, PAGE);
      if (records.length === 0) break;
      for (const record of records) {
        const letter = deadLetterCodec.decode(record.value);
        if (matches(letter, filter)) found.set(`${letter.topic}/${letter.partition}/${letter.offset}`, letter);
      }
      offset = records.at(-1)!.offset + 1;
    }
  }
  const letters = [...found.values()].toSorted((a, b) => a.at - b.at);
  return filter.limit === undefined ? letters : letters.slice(-filter.limit);
};

/**
 * Appends the payloads to their topics again, in order; what was applied before is recognised by its identity. Returns how many.
 * Records of compacted topics stay: without their key they would say nothing about anyone.
 * @param ofSource what a letter of one of the operator's own topics gives by now; null: it stays
 */
export const replayDeadLetters = async (
  log: EventLog,
  filter: DeadLetterFilter = {},
  ofSource: (letter: DeadLetter) => Promise<AppendRecord | null> = async () => null,
): Promise<number> => {
  let replayed = 0;
  const letters = await listDeadLetters(log, filter);
  for (let i = 0; i < letters.length; i += PAGE) {
    const records: AppendRecord[] = [];
    for (const letter of letters.slice(i, i + PAGE)) {
      const record = Object.hasOwn(TOPIC_CODECS, letter.topic) ? recordOf(letter) : await ofSource(letter);
      if (record !== null) records.push(record);
    }
    if (records.length > 0) await log.append(records);
    replayed += records.length;
  }
  return replayed;
};

const recordOf = (letter: DeadLetter): AppendRecord | null =>
  COMPACTED_TOPICS.includes(letter.topic as Topic)
    ? null
    : { topic: letter.topic as Topic, shard: shardOfPayload(letter) ?? letter.partition, value: letter.payload };

/** The letter's partition is of the log's number of partitions then. Null: the payload does not say whose it is. */
const shardOfPayload = ({ topic, partition, offset, at, payload }: DeadLetter): number | null => {
  if (topic === TOPICS.rewards) return shardOfReward(payload);
  const result = decodeStep({ topic: topic as Topic, partition, offset, timestampMs: at, key: null, value: payload });
  return result.kind === 'ok' ? result.value.shard : null;
};

const shardOfReward = (payload: Buffer): number | null => {
  try {
    return rewardCodec.decode(payload).decisionId.readUInt16BE(14);
  } catch {
    return null;
  }
};

const matches = (letter: DeadLetter, filter: DeadLetterFilter): boolean =>
  (filter.topic === undefined || letter.topic === filter.topic) &&
  (filter.reason === undefined || letter.reason === filter.reason) &&
  (filter.partition === undefined || letter.partition === filter.partition) &&
  (filter.offset === undefined || letter.offset === filter.offset) &&
  (filter.sinceMs === undefined || letter.at >= filter.sinceMs);
