/** What was last seen here of the compacted topics, on the disk: a process that starts while the log is away goes by it. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPACTED_TOPICS, TOPICS, type Topic } from '#contracts';
import { decodeEntries, encodeEntry } from '../lmdb/journal-entry.ts';
import type { AppendRecord, LogRecord } from '../port.ts';
import type { OutboxLogger } from './types.ts';

export interface TopicMemory {
  /** An earlier process left something. */
  readonly isThere: boolean;
  of(topics: readonly Topic[]): readonly LogRecord[];
  note(record: LogRecord): void;
  /** That is all there is: worth keeping, also when it is nothing. */
  confirm(): void;
  /** Writes what is not written yet. */
  close(): void;
}

const WRITE_AFTER_MS = 2_000;
/** Enough for the minutes in which a state may still be there (100 bytes each); older ones matter to nobody who only decides. */
const MOST_ERASURES = 10_000;

export const openTopicMemory = ({ dir, logger }: { readonly dir: string; readonly logger: OutboxLogger }): TopicMemory => {
  const path = join(dir, 'topics.entries');
  const newest = new Map<Topic, Map<string, AppendRecord>>(COMPACTED_TOPICS.map((topic) => [topic, new Map()]));
  const read = readMemory(path);
  for (const record of read ?? []) newest.get(record.topic)?.set(hexOf(record.key!), record);
  let timer: NodeJS.Timeout | null = null;

  const write = (): void => {
    timer = null;
    const records = [...newest.values()].flatMap((keys) => [...keys.values()]);
    const own = `${path}.${process.pid}`;
    try {
      writeFileSync(own, encodeEntry({ number: 1, acceptedAtMs: Date.now(), records }), { mode: 0o600 });
      renameSync(own, path);
    } catch (error) {
      logger.warn(
        `what is known of controls and models cannot be kept in ${path}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };

  const later = (): void => {
    timer ??= setTimeout(write, WRITE_AFTER_MS).unref();
  };

  return {
    isThere: read !== null,
    of: (topics) => topics.flatMap((topic) => [...(newest.get(topic)?.values() ?? [])].map((record) => asRead(record))),
    note({ topic, key, value }) {
      const keys = newest.get(topic);
      if (keys === undefined || key === null) return;
      // The newest stand last.
      keys.delete(hexOf(key));
      keys.set(hexOf(key), { topic, shard: 0, key, value });
      if (topic === TOPICS.erasures && keys.size > MOST_ERASURES) keys.delete(keys.keys().next().value!);
      later();
    },
    confirm: later,
    close() {
      if (timer === null) return;
      clearTimeout(timer);
      write();
    },
  };
};

/** Null: nothing was left, or nothing that is whole. */
const readMemory = (path: string): readonly AppendRecord[] | null => {
  try {
    return decodeEntries(readFileSync(path))[0]?.records ?? null;
  } catch {
    return null;
  }
};

const asRead = ({ topic, key, value }: AppendRecord): LogRecord => ({
  topic,
  partition: 0,
  offset: 0,
  timestampMs: 0,
  key: key ?? null,
  value: Buffer.from(value),
});

const hexOf = (key: Uint8Array): string => Buffer.from(key).toString('hex');
