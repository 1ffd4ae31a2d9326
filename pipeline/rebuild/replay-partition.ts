/** Folds the records of a partition between two places of the log into the store, and emits nothing. */
import { STATE_INPUTS, type CustomerKey, type Topic } from '#contracts';
import type { EventLog, LogRecord } from '#event-log';
import type { OutcomeInput } from '../state/input.ts';
import { DEFAULT_BATCH, processBatch, type BatchDeps } from '../state/process-batch.ts';
import type { Offsets } from './snapshot.ts';

export interface ReplayDeps {
  readonly log: EventLog;
  readonly batch: Omit<BatchDeps, 'log' | 'silent' | 'erasedAt' | 'clock'>;
  readonly erasedAt: (key: CustomerKey) => number | undefined;
  readonly isCounted: (outcome: OutcomeInput) => Promise<boolean>;
  /** With the records of each batch. Throws to end the work. */
  readonly onRecords: (count: number) => void;
}

/** @param from the first offset of each topic, @param until the offset after the last one */
export const replayPartition = async (deps: ReplayDeps, partition: number, from: Offsets, until: Offsets): Promise<void> => {
  const { log, batch, erasedAt, isCounted } = deps;
  // The log's time, as when they came.
  let nowMs = 0;
  const batchDeps: BatchDeps = { ...batch, log, silent: true, erasedAt, isCounted, clock: () => nowMs };
  const queues = STATE_INPUTS.map((topic) => createQueue(log, topic, partition, from[topic] ?? 0, until[topic] ?? 0));
  for (;;) {
    const records: LogRecord[] = [];
    while (records.length < DEFAULT_BATCH) {
      for (const queue of queues) await queue.fill();
      const taken = takeOldest(queues, records);
      if (!taken) break;
    }
    if (records.length === 0) return;
    nowMs = records.at(-1)!.timestampMs;
    await processBatch(batchDeps, partition, records);
    deps.onRecords(records.length);
  }
};

interface Queue {
  readonly waiting: LogRecord[];
  taken: number;
  ended: boolean;
  fill(): Promise<void>;
}

const PAGE = 4_000;

const createQueue = (log: EventLog, topic: Topic, partition: number, from: number, until: number): Queue => {
  let next = from;
  const queue: Queue = {
    waiting: [],
    taken: 0,
    ended: next >= until,
    async fill() {
      if (queue.ended || queue.taken < queue.waiting.length) return;
      const records = (await log.read(topic, partition, next, PAGE)).filter(({ offset }) => offset < until);
      queue.waiting.splice(0, queue.waiting.length, ...records);
      queue.taken = 0;
      next = (records.at(-1)?.offset ?? until) + 1;
      if (records.length === 0 || next >= until) queue.ended = true;
    },
  };
  return queue;
};

/** By time as the log took them, as a consumer gets them; until one queue must be filled again. False: nothing is left. */
const takeOldest = (queues: readonly Queue[], into: LogRecord[]): boolean => {
  let took = false;
  for (;;) {
    let oldest: Queue | null = null;
    for (const queue of queues) {
      const record = queue.waiting[queue.taken];
      if (record === undefined) {
        if (queue.ended) continue;
        return true;
      }
      if (oldest === null || record.timestampMs < oldest.waiting[oldest.taken]!.timestampMs) oldest = queue;
    }
    if (oldest === null) return took;
    into.push(oldest.waiting[oldest.taken++]!);
    took = true;
    if (into.length >= DEFAULT_BATCH) return true;
  }
};
