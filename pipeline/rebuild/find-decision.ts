/** Where a decision stands in the log and whose it is: looked up near the time that its id tells. */
import {
  MINUTE_MS,
  TOPICS,
  customerKeyFromBytes,
  decisionCodec,
  decisionIdToBytes,
  timeOfDecision,
  type CustomerKey,
  type DecisionId,
} from '#contracts';
import type { EventLog } from '#event-log';

export interface LoggedDecision {
  readonly offset: number;
  readonly customerKey: CustomerKey;
}

/** An id is made this long before its record is taken, or after by another machine's clock, at most; an outbox may hold it for longer. */
const BEFORE_MS = 2_000;
const AFTER_MS = 10 * MINUTE_MS;
const PAGE = 500;
const MOST_RECORDS = 50_000;
/** Avro single-object header; the id is the record's first field. */
const ID_AT = 10;

/** Null: the log does not hold it, or no longer. */
export const findDecision = async (log: EventLog, partition: number, id: DecisionId): Promise<LoggedDecision | null> => {
  const bytes = decisionIdToBytes(id);
  const decidedMs = timeOfDecision(id);
  let offset = await log.offsetAt(TOPICS.decisions, partition, decidedMs - BEFORE_MS);
  for (let seen = 0; seen < MOST_RECORDS;) {
    const records = await log.read(TOPICS.decisions, partition, offset, PAGE);
    if (records.length === 0) return null;
    for (const record of records) {
      if (bytes.compare(record.value, ID_AT, ID_AT + 16) === 0) {
        return { offset: record.offset, customerKey: customerKeyFromBytes(decisionCodec.decode(record.value).customerKey) };
      }
      if (record.timestampMs > decidedMs + AFTER_MS) return null;
    }
    seen += records.length;
    offset = records.at(-1)!.offset + 1;
  }
  return null;
};
