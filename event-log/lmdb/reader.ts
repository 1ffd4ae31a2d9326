/** Reads the log's environment synchronously: records from an offset, the ends of a partition, the offset at a time. */
import type { Topic } from '#contracts';
import type { LogRecord, TopicPartitionOffsets } from '../port.ts';
import { chunkCount, chunkTimestamp, pushRecords } from './chunk.ts';
import type { Env } from './environment.ts';
import { Heads, headsKey, offsetOfKey, recordKey } from './layout.ts';

const MAX_OFFSET = 2 ** 48 - 1;

export class Reader {
  readonly #env: Env;
  readonly #partitions: number;

  constructor(deps: { readonly env: Env; readonly partitions: number }) {
    this.#env = deps.env;
    this.#partitions = deps.partitions;
  }

  /** Lets the following reads see what was committed up to now, and releases the older snapshot's pages. */
  refresh(): void {
    this.#env.resetReadTxn();
  }

  heads(topic: Topic): Heads {
    return new Heads(this.#partitions, this.#env.getBinary(headsKey(topic)));
  }

  read(topic: Topic, partition: number, offset: number, maxRecords: number): LogRecord[] {
    const records: LogRecord[] = [];
    let at: number | null = this.#chunkAt(topic, partition, offset) ?? this.#chunkFrom(topic, partition, offset);
    while (at !== null && records.length < maxRecords) {
      const chunk: Buffer | undefined = this.#env.getBinary(recordKey(topic, partition, at));
      if (chunk === undefined) at = this.#chunkFrom(topic, partition, at);
      else {
        pushRecords(chunk, { topic, partition, firstOffset: at }, offset, maxRecords, records);
        at += chunkCount(chunk);
      }
    }
    return records;
  }

  offsets(topic: Topic, partition: number): TopicPartitionOffsets {
    const next = this.heads(topic).next(partition);
    return { first: this.#chunkFrom(topic, partition, 0) ?? next, next };
  }

  /** Binary search over chunks: a chunk has one timestamp, and timestamps never fall. */
  offsetAt(topic: Topic, partition: number, timeMs: number): number {
    const { first, next } = this.offsets(topic, partition);
    let low = first;
    let high = next;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const at = this.#chunkAt(topic, partition, middle) ?? this.#chunkFrom(topic, partition, low) ?? middle;
      const chunk = this.#env.getBinary(recordKey(topic, partition, at));
      if (chunk === undefined) return next;
      if (chunkTimestamp(chunk) >= timeMs) high = Math.min(at, middle);
      else low = Math.max(middle, at + chunkCount(chunk) - 1) + 1;
    }
    return this.#chunkFrom(topic, partition, Math.min(low, next)) ?? next;
  }

  /** The start of the newest chunk that begins at or before `offset`. */
  #chunkAt(topic: Topic, partition: number, offset: number): number | null {
    const range = {
      start: recordKey(topic, partition, offset),
      end: recordKey(topic, partition, 0),
      reverse: true,
      limit: 1,
      inclusiveEnd: true,
    };
    for (const key of this.#env.getKeys(range)) return offsetOfKey(key);
    return null;
  }

  /** The start of the oldest chunk that begins at or after `offset`. */
  #chunkFrom(topic: Topic, partition: number, offset: number): number | null {
    const range = { start: recordKey(topic, partition, offset), end: recordKey(topic, partition, MAX_OFFSET), limit: 1 };
    for (const key of this.#env.getKeys(range)) return offsetOfKey(key);
    return null;
  }
}
