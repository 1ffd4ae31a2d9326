/** Finds a decision's receipt: in the log near the time that its id tells, on its way in the outbox, or in the archive. */
import {
  EngineUnavailable,
  MINUTE_MS,
  TOPICS,
  decisionCodec,
  decisionIdToBytes,
  partitionOf,
  shardOfDecision,
  timeOfDecision,
  within,
  type Clock,
  type Decision,
  type DecisionId,
} from '#contracts';
import type { EventLog, Outbox } from '#event-log';

/** Receipts older than the log's retention; the warehouse, seen from here. */
export interface ReceiptArchive {
  find(id: DecisionId): Promise<Decision | null>;
}

export interface FoundReceipt {
  readonly decision: Decision;
  readonly source: 'log' | 'outbox' | 'archive';
}

export interface ReceiptFinder {
  find(id: DecisionId): Promise<FoundReceipt | null>;
  /**
   * The outbox, and the log to its end: for a retry, whose receipt may have been written long after the id. Null also when `cancelled`
   * aborts first.
   */
  findWritten(id: DecisionId, cancelled: AbortSignal): Promise<Decision | null>;
}

/** Clocks of processes differ by no more. */
const SLACK_MS = 2_000;
/** An append ends within its bound; a minute covers a process that slept. */
const WINDOW_MS = MINUTE_MS;
const PAGE = 500;
/** How young a decision's receipt may be on its way, and how long its way is waited for. */
const FRESH_MS = MINUTE_MS;
const PATIENCE_MS = 250;
/** As long as an append may take where there is an outbox: a log that is away would try for ten seconds. */
const READ_BOUND_MS = 1_000;
/** Keeps an id that was never given from costing a walk through the whole log. */
const MOST_RECORDS = 50_000;
/** Avro single-object header; the id is the record's first field. */
const ID_AT = 10;

export interface ReceiptFinderDeps {
  readonly log: EventLog;
  readonly outbox: Outbox | null;
  readonly archive: ReceiptArchive | null;
  readonly clock: Clock;
}

export const createReceiptFinder = ({ log, outbox, archive, clock }: ReceiptFinderDeps): ReceiptFinder => {
  /** What was decided before the partitions were raised lies where their former number put it. */
  const scan = async (id: DecisionId, windowMs: number): Promise<Decision | null> => {
    const isFormer = timeOfDecision(id) - WINDOW_MS < (log.raisedAtMs ?? 0);
    const counts = [log.partitions, ...((isFormer && log.formerPartitions) || [])];
    for (const partition of new Set(counts.map((count) => partitionOf(shardOfDecision(id), count)))) {
      const found = await scanPartition(id, partition, windowMs);
      if (found !== null) return found;
    }
    return null;
  };

  const scanPartition = async (id: DecisionId, partition: number, windowMs: number): Promise<Decision | null> => {
    const bytes = decisionIdToBytes(id);
    const decidedMs = timeOfDecision(id);
    let offset = await inTime(log.offsetAt(TOPICS.decisions, partition, decidedMs - SLACK_MS));
    for (let seen = 0; seen < MOST_RECORDS;) {
      const records = await inTime(log.read(TOPICS.decisions, partition, offset, PAGE));
      if (records.length === 0) return null;
      for (const record of records) {
        if (bytes.compare(record.value, ID_AT, ID_AT + 16) === 0) return decisionCodec.decode(record.value);
        if (record.timestampMs > decidedMs + windowMs) return null;
      }
      seen += records.length;
      offset = records.at(-1)!.offset + 1;
    }
    return null;
  };

  /** While the log is away the receipt lies on the disk of the machine that gave it. */
  const waiting = async (id: DecisionId, windowMs: number, cancelled?: AbortSignal): Promise<Decision | null> => {
    if (outbox === null) return null;
    const decidedMs = timeOfDecision(id);
    const window = { fromMs: decidedMs - SLACK_MS, toMs: decidedMs + windowMs };
    const holds = { at: ID_AT, bytes: decisionIdToBytes(id) };
    const value = await outbox.find({ topic: TOPICS.decisions, ...window, holds }, cancelled);
    return value === null ? null : decisionCodec.decode(value);
  };

  /** A receipt that was acknowledged a moment ago is perhaps still on its way into the log. */
  const accepted = async (id: DecisionId): Promise<Decision | null> => {
    if (log.accept === undefined || Math.abs(clock() - timeOfDecision(id)) > FRESH_MS) return null;
    await within(
      PATIENCE_MS,
      log.append([]).catch(() => undefined),
      undefined,
    );
    return scan(id, WINDOW_MS);
  };

  return {
    async find(id) {
      const onItsWay = await waiting(id, WINDOW_MS);
      if (onItsWay !== null) return { decision: onItsWay, source: 'outbox' };
      const logged = (await scan(id, WINDOW_MS)) ?? (await accepted(id));
      if (logged !== null) return { decision: logged, source: 'log' };
      const archived = archive === null ? null : await archive.find(id);
      if (archived !== null) return { decision: archived, source: 'archive' };
      // What waited in an outbox reached the log long after the id's time.
      const late = outbox === null ? null : await scan(id, Number.POSITIVE_INFINITY);
      return late === null ? null : { decision: late, source: 'log' };
    },
    async findWritten(id, cancelled) {
      const onItsWay = await waiting(id, Number.POSITIVE_INFINITY, cancelled);
      return onItsWay !== null || cancelled.aborted ? onItsWay : scan(id, Number.POSITIVE_INFINITY);
    },
  };
};

const inTime = async <T>(reading: Promise<T>): Promise<T> => {
  const answer = await within(READ_BOUND_MS, reading, LATE);
  if (answer === LATE) throw new EngineUnavailable('event-log', `the event log has not answered within ${READ_BOUND_MS} ms`);
  return answer;
};

const LATE = Symbol('late');
