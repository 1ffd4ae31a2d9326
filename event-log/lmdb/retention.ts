/** Removes what the log need not keep: by age where records are history, by key where only the newest counts. */
import { COMPACTED_TOPICS, type Topic } from '#contracts';
import { chunkCount, chunkTimestamp, pushRecords } from './chunk.ts';
import type { Env } from './environment.ts';
import { offsetOfKey, recordKey } from './layout.ts';
import type { LogRecord } from '../port.ts';

/** Removals per transaction: few, so that appenders of all processes get the write lock in between. */
const ENTRIES_PER_TRANSACTION = 256;

export interface Queue {
  readonly env: Env;
  readonly topic: Topic;
  readonly partition: number;
  /** Records at or past this offset stay, whatever their age: somebody still needs them. */
  readonly limit: number;
}

/** Returns how many records went. */
export function retainQueue(queue: Queue, takenBeforeMs: number): Promise<number> {
  return COMPACTED_TOPICS.includes(queue.topic) ? compact(queue) : dropOld(queue, takenBeforeMs);
}

async function dropOld(queue: Queue, takenBeforeMs: number): Promise<number> {
  let dropped = 0;
  for (;;) {
    queue.env.resetReadTxn();
    const keys: Buffer[] = [];
    for (const { key, value } of queue.env.getRange({ ...wholeRange(queue), limit: ENTRIES_PER_TRANSACTION })) {
      const end = offsetOfKey(key) + chunkCount(value);
      if (chunkTimestamp(value) >= takenBeforeMs || end > queue.limit) break;
      keys.push(Buffer.from(key));
      dropped += chunkCount(value);
    }
    await remove(queue.env, keys);
    if (keys.length < ENTRIES_PER_TRANSACTION) return dropped;
  }
}

/** One record an entry here (see the appender), so that an entry goes as a whole. Holds every live key in memory. */
async function compact(queue: Queue): Promise<number> {
  queue.env.resetReadTxn();
  const newest = new Map<string, Buffer>();
  const superseded: Buffer[] = [];
  for (const { key, value } of queue.env.getRange(wholeRange(queue))) {
    const name = nameOf(value, queue);
    const older = newest.get(name);
    if (older !== undefined && offsetOfKey(older) < queue.limit) superseded.push(older);
    newest.set(name, Buffer.from(key));
  }
  for (let at = 0; at < superseded.length; at += ENTRIES_PER_TRANSACTION)
    await remove(queue.env, superseded.slice(at, at + ENTRIES_PER_TRANSACTION));
  return superseded.length;
}

function nameOf(chunk: Buffer, { topic, partition }: Queue): string {
  const records: LogRecord[] = [];
  pushRecords(chunk, { topic, partition, firstOffset: 0 }, 0, 1, records);
  return Buffer.from(records[0]?.key ?? []).toString('latin1');
}

async function remove(env: Env, keys: readonly Buffer[]): Promise<void> {
  if (keys.length === 0) return;
  await env.transaction(() => {
    for (const key of keys) env.removeSync(key);
  });
}

function wholeRange({ topic, partition }: Queue): { start: Buffer; end: Buffer } {
  return { start: recordKey(topic, partition, 0), end: recordKey(topic, partition, 2 ** 48 - 1) };
}
