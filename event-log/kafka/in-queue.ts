/** Records of one topic's partition that were fetched and not yet taken. */
import type { Topic } from '#contracts';
import { FIRST_BACKOFF_MS, LAST_BACKOFF_MS } from '../backoff.ts';
import type { LogRecord } from '../port.ts';

/** Enough that a partition is rarely empty while the next fetch is on its way, and little enough to hold for hundreds of them. */
const FULL_BYTES = 2_000_000;
const FULL_RECORDS = 4_000;
/** Often enough that the slots of what was taken do not add up, and rarely enough that moving the others costs nothing. */
const COMPACT_RECORDS = 1_024;

export class InQueue {
  readonly topic: Topic;
  readonly kafkaTopic: string;
  readonly partition: number;
  readonly #onArrival: () => void;
  /** Where the next fetch begins. */
  position: number;
  /** The end as the last answer told it; null before the first answer. */
  highWatermark: number | null = null;
  leader: number | null = null;
  /** What was taken is undefined. */
  #records: (LogRecord | undefined)[] = [];
  #taken = 0;
  #bytes = 0;
  #latestMs = -Infinity;
  #backoffMs = FIRST_BACKOFF_MS;
  #notBeforeMs = 0;

  constructor(options: { topic: Topic; kafkaTopic: string; partition: number; position: number; onArrival: () => void }) {
    this.topic = options.topic;
    this.kafkaTopic = options.kafkaTopic;
    this.partition = options.partition;
    this.position = options.position;
    this.#onArrival = options.onArrival;
  }

  get isFull(): boolean {
    return this.#bytes >= FULL_BYTES || this.#records.length - this.#taken >= FULL_RECORDS;
  }

  /** True when it has room, and is not backing off. */
  isWanting(nowMs: number): boolean {
    return !this.isFull && nowMs >= this.#notBeforeMs;
  }

  /** What came cannot be taken at this moment. Returns for how long. */
  backOff(nowMs: number): number {
    const backoffMs = this.#backoffMs;
    this.#notBeforeMs = nowMs + backoffMs;
    this.#backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS);
    return backoffMs + 1;
  }

  /** True when nothing is here and nothing more was there at the last answer. */
  get isAtEnd(): boolean {
    return this.peek() === undefined && this.highWatermark !== null && this.position >= this.highWatermark;
  }

  /** Everything before this was taken, or never will be a record. */
  get takenUpTo(): number {
    return this.peek()?.offset ?? this.position;
  }

  arrive(records: readonly LogRecord[], next: number, highWatermark: number): void {
    for (const record of records) {
      // Another broker's clock may be behind its predecessor's; the port promises times that never fall.
      this.#latestMs = Math.max(this.#latestMs, record.timestampMs);
      this.#records.push(record.timestampMs === this.#latestMs ? record : { ...record, timestampMs: this.#latestMs });
      this.#bytes += record.value.length;
    }
    this.#backoffMs = FIRST_BACKOFF_MS;
    this.position = next;
    this.highWatermark = highWatermark;
    this.#onArrival();
  }

  peek(): LogRecord | undefined {
    return this.#records[this.#taken];
  }

  take(): LogRecord {
    const record = this.#records[this.#taken]!;
    // A record pins the whole answer that it came with.
    this.#records[this.#taken] = undefined;
    this.#taken += 1;
    this.#bytes -= record.value.length;
    if (this.#taken === this.#records.length || this.#taken >= COMPACT_RECORDS) {
      this.#records.splice(0, this.#taken);
      this.#taken = 0;
    }
    return record;
  }
}

/** The next records of all queues, at most `maxRecords`: in offset order within each, merged by timestamp. */
export function takeMerged(queues: readonly InQueue[], maxRecords: number): LogRecord[] {
  const records: LogRecord[] = [];
  while (records.length < maxRecords) {
    let oldest: InQueue | null = null;
    let oldestMs = Infinity;
    for (const queue of queues) {
      const timestampMs = queue.peek()?.timestampMs ?? Infinity;
      if (timestampMs < oldestMs) {
        oldest = queue;
        oldestMs = timestampMs;
      }
    }
    if (oldest === null) break;
    records.push(oldest.take());
  }
  return records;
}
