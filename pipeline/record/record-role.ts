/**
 * The record role: brings the log's facts into the warehouse, each counted once, whatever is killed in between.
 *
 * The offsets live with their effects: it resumes after the highest offset that the warehouse holds. What the group commits to the
 * log may run ahead of that by the blocks in memory; it serves lag and retention only.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deadLetterCodec, TOPICS, type Clock, type CustomerKey, type Topic } from '#contracts';
import { STAGE } from '#decisioning';
import type { Batch, Consumer, EventLog, LogRecord } from '#event-log';
import type { TableName, Warehouse } from '#warehouse';
import { SILENT, type Logger, type Role } from '../role.ts';
import { createBlockLane, type BlockLane } from './block-lane.ts';
import { followErasures, type Erasures } from './erasures.ts';
import { createPatience } from './patience.ts';
import { createRowReader, RECORDED_TOPICS, type RowSources } from './rows-of.ts';
import { createTurns, type Turn } from './turns.ts';

export interface RecordRoleDeps extends RowSources {
  readonly log: EventLog;
  readonly warehouse: Warehouse;
  readonly clock: Clock;
  /** Names of a feature set's values, in order; null: unknown here. */
  readonly featureNames: (fingerprint: string) => Promise<readonly string[] | null>;
  readonly logger?: Logger;
  /** Rows of a block. Default 5,000. */
  readonly blockRows?: number;
  /** A row waits at most this long for its block. Default 500. */
  readonly blockMs?: number;
  /** Longest pause between tries while the warehouse is away. Default 10,000. */
  readonly longestPauseMs?: number;
  /**
   * Whose unreadable records this role puts into the dead letters. Default: those that the state role does not read, since it does
   * so for its own, and one letter is enough.
   */
  readonly deadLettersOf?: readonly Topic[];
}

export interface RecordRole extends Role {
  /** Empty when all is well. */
  lastError(): string;
}

export const RECORD_GROUP = 'record';

/** How long what was asked for all partitions at once holds. */
const ASKED_AT_ONCE_MS = 10_000;

/** Some ten milliseconds of decisions. */
const RECORDS_WITHOUT_PAUSE = 256;

export const createRecordRole = (deps: RecordRoleDeps): RecordRole => {
  const {
    log,
    warehouse,
    clock,
    logger = SILENT,
    blockRows = 5_000,
    blockMs = 500,
    deadLettersOf = [TOPICS.rewards, TOPICS.deadLetters],
  } = deps;
  const counts = {
    rowsInserted: 0,
    blocksInserted: 0,
    skippedErased: 0,
    unreadable: 0,
    erasuresApplied: 0,
    failures: 0,
    lagRecords: 0,
    connected: 0,
  };
  const lanes = new Map<string, BlockLane<TableName>>();
  const turns = createTurns();
  const readRow = createRowReader(deps);
  const featureSets = new Set<string>();
  const committedAtStart = new Map<string, number>();
  const unasked = new Set<string>();
  let stored: ReadonlyMap<Topic, ReadonlyMap<number, number>> = new Map();
  let storedAtMs = 0;
  let shards = 1;
  let lastError = '';
  let erasing: Promise<void> = Promise.resolve();
  let erasures: Erasures | undefined;
  let consumer: Consumer | undefined;
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let lagTimer: NodeJS.Timeout | undefined;

  const patience = createPatience({
    longestMs: deps.longestPauseMs ?? 10_000,
    onFailure(error) {
      counts.failures++;
      counts.connected = 0;
      const text = error instanceof Error ? error.message : String(error);
      if (text !== lastError) logger.warn({ error: text }, 'the warehouse does not take rows; the log keeps them');
      lastError = text;
    },
  });
  const persist = async <T>(work: () => Promise<T>): Promise<T | null> => {
    const result = await patience.until(work);
    if (!patience.stopped) {
      counts.connected = 1;
      lastError = '';
    }
    return result;
  };

  const insert = async (table: TableName, rows: number, rowBinary: Buffer, token: string): Promise<void> => {
    const done = await persist(async () => {
      await warehouse.insertRows(table, rowBinary, token);
      return true;
    });
    if (done === null) return;
    counts.rowsInserted += rows;
    counts.blocksInserted++;
  };
  const laneOf = (table: TableName, partition: number): BlockLane<TableName> => {
    // On a cluster rows are sharded by their partition: a block of one shard's rows is one part there, in whole or not at all.
    const key = `${table}/${partition % shards}`;
    let lane = lanes.get(key);
    if (lane === undefined) lanes.set(key, (lane = createBlockLane(table, { blockRows, blockMs, insert })));
    return lane;
  };
  const nameFeatures = async (fingerprint: string | null): Promise<void> => {
    if (fingerprint === null || fingerprint === '' || featureSets.has(fingerprint)) return;
    featureSets.add(fingerprint);
    const names = await deps.featureNames(fingerprint);
    if (names === null) return;
    await persist(() => warehouse.insertJson('feature_sets', [{ fingerprint, names }]));
  };

  const toDeadLetters = async (record: LogRecord, error: unknown): Promise<void> => {
    counts.unreadable++;
    const known = committedAtStart.get(`${record.topic}/${record.partition}`) ?? 0;
    if (!deadLettersOf.includes(record.topic) || record.offset < known) return;
    const { code, message } = error as { code?: string; message?: string };
    const value = deadLetterCodec.encode({
      topic: record.topic,
      partition: record.partition,
      offset: record.offset,
      reason: code ?? 'record.failed',
      message: message ?? String(error),
      payload: record.value,
      at: clock(),
    });
    await log.append([{ topic: TOPICS.deadLetters, shard: record.partition, value }]);
  };

  const take = async (record: LogRecord, turn: Turn): Promise<void> => {
    let read;
    try {
      read = await readRow(record.topic, record.value);
    } catch (error) {
      return toDeadLetters(record, error);
    }
    if (erasures!.covers(read.customerKey, Math.min(record.timestampMs, read.takenAtMs ?? Infinity))) {
      counts.skippedErased++;
      return;
    }
    if (read.typed === null) return;
    await nameFeatures(read.featureSet);
    const lane = laneOf(read.typed.table, record.partition);
    if (lane.full) await turn.outside(() => lane.room());
    if (patience.stopped) return;
    try {
      lane.add(read.typed.row, { epoch: log.epoch, partition: record.partition, offset: record.offset, timestampMs: record.timestampMs });
    } catch (error) {
      await toDeadLetters(record, error);
    }
  };
  const onBatch = async (batch: Batch): Promise<void> => {
    const turn = await turns();
    try {
      for (const [i, record] of batch.records.entries()) {
        // Blocks on their way, heartbeats and the other roles of this process come to their due in between.
        if (i % RECORDS_WITHOUT_PAUSE === RECORDS_WITHOUT_PAUSE - 1) await nextTurn();
        await take(record, turn);
        if (patience.stopped) throw new Error('the record role is stopping');
      }
    } finally {
      turn.end();
    }
  };

  /** Rows taken before the erasure may still wait in a block: they go in first, so that the deletion finds them. */
  const erase = async (before: Promise<void>, customerKey: CustomerKey, erasedAt: number): Promise<void> => {
    await before;
    const gone = await persist(async () => {
      await Promise.all([...lanes.values()].map((lane) => lane.flush()));
      return warehouse.eraseCustomer(customerKey, erasedAt);
    });
    if (gone !== null) counts.erasuresApplied++;
  };

  const startAt = async (topic: Topic, partition: number): Promise<number | null> => {
    committedAtStart.set(`${topic}/${partition}`, (await log.committed(RECORD_GROUP, topic, partition)) ?? 0);
    // A partition that comes later, from another process, is asked about anew: that process has stored more since.
    const first = unasked.delete(`${topic}/${partition}`) && performance.now() - storedAtMs < ASKED_AT_ONCE_MS;
    const found = await persist(async () => ({
      highest: first ? (stored.get(topic)?.get(partition) ?? null) : await warehouse.highestOffset({ topic, partition, epoch: log.epoch }),
    }));
    if (found === null) throw new Error('the record role is stopping');
    return found.highest === null ? 0 : found.highest + 1;
  };

  const measureLag = async (): Promise<void> => {
    const waiting = [...lanes.values()].reduce((sum, lane) => sum + lane.waiting, 0);
    try {
      counts.lagRecords = (await log.lag(RECORD_GROUP, RECORDED_TOPICS)) + waiting;
    } catch (error) {
      logger.warn({ error }, 'lag of the record role could not be read');
    }
  };

  const begin = async (): Promise<void> => {
    const ready = await persist(async () => {
      await warehouse.migrate();
      await warehouse.insertJson(
        'stages',
        Object.entries(STAGE).map(([name, code]) => ({ code, name })),
      );
      shards = await warehouse.shards();
      stored = await warehouse.highestOffsets(log.epoch);
      storedAtMs = performance.now();
      return true;
    });
    for (const topic of RECORDED_TOPICS)
      for (let partition = 0; partition < log.partitions; partition++) unasked.add(`${topic}/${partition}`);
    if (ready === null) return;
    const queue: (readonly [CustomerKey, number])[] = [];
    let live = false;
    erasures = followErasures({
      log,
      onErasure: (key, at) => (live ? void (erasing = erase(erasing, key, at)) : void queue.push([key, at])),
    });
    await erasures.caughtUp;
    live = true;
    for (const [key, at] of queue) erasing = erase(erasing, key, at);
    if (patience.stopped) return;
    consumer = log.consume({
      group: RECORD_GROUP,
      topics: RECORDED_TOPICS,
      maxRecords: blockRows,
      startAt,
      onBatch,
      onError: (error) => {
        if (!patience.stopped) logger.warn({ error }, 'a batch of the record role failed; it comes again');
      },
    });
  };

  return {
    name: 'record',
    metrics: () => counts,
    lastError: () => lastError,
    /** Resolves at once: a warehouse that is away is waited for in the background. */
    start() {
      lagTimer ??= setInterval(() => void measureLag(), 1_000).unref();
      starting ??= begin().catch((error: unknown) => {
        lastError = error instanceof Error ? error.message : String(error);
        logger.error({ error }, 'the record role could not start');
      });
      return Promise.resolve();
    },
    stop() {
      stopping ??= (async () => {
        clearInterval(lagTimer);
        // While the warehouse answers, what is gathered goes in; else the log has it, and waiting would only delay the end.
        const flushed = Promise.all([...lanes.values()].map((lane) => lane.flush())).then(() => erasing);
        await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, counts.connected === 1 ? 5_000 : 0).unref())]);
        patience.stop();
        for (const lane of lanes.values()) void lane.flush();
        await starting;
        await consumer?.stop();
        await erasures?.stop();
      })();
      return stopping;
    },
  };
};
