/** Looks for a record among what waits on this machine's disk, whichever process wrote it. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeEntry, endOfEntry } from '../lmdb/journal-entry.ts';
import { outlineSegment } from './segment.ts';
import { parseSegmentName } from './segment-name.ts';
import type { Wanted } from './types.ts';

/** A file system's clock is behind the system's by a tick or two. */
const CLOCK_SLACK_MS = 1_000;

/** Null: there is none, it went to the log meanwhile, or `cancelled` aborted first. */
export const createFindInOutbox = (dir: string): ((wanted: Wanted, cancelled?: AbortSignal) => Promise<Buffer | null>) => {
  const read = createTurns(async (path) => readFile(path).catch(() => null));
  return async (wanted, cancelled) => {
    for (const path of await filesOf(dir, wanted)) {
      if (cancelled?.aborted === true) return null;
      const bytes = await read(path);
      const found = bytes === null ? null : findInSegment(bytes, wanted);
      if (found !== null) return found;
    }
    return null;
  };
};

/**
 * Those that may hold something of the window, in the order in which they were opened: most records that are looked for were accepted
 * as it began. Nothing is accepted into a file after it was written to last.
 */
const filesOf = async (dir: string, { fromMs, toMs }: Wanted): Promise<readonly string[]> => {
  const opened = (await readdir(dir)).flatMap((file) => {
    const name = parseSegmentName(file);
    return name === null || name.openedAtMs > toMs ? [] : [{ path: join(dir, file), openedAtMs: name.openedAtMs }];
  });
  const written = await Promise.all(opened.map(({ path }) => stat(path).catch(() => null)));
  return opened
    .filter((_, index) => (written[index]?.mtimeMs ?? 0) >= fromMs - CLOCK_SLACK_MS)
    .toSorted((a, b) => a.openedAtMs - b.openedAtMs)
    .map(({ path }) => path);
};

const findInSegment = (file: Buffer, { topic, fromMs, toMs, holds: { at: place, bytes } }: Wanted): Buffer | null => {
  const entries = outlineSegment(file).filter(({ acceptedAtMs }) => acceptedAtMs >= fromMs && acceptedAtMs <= toMs);
  if (entries.length === 0) return null;
  const { end: last } = entries.at(-1)!;
  for (let hit = file.indexOf(bytes, entries[0]!.at); hit >= 0 && hit < last; hit = file.indexOf(bytes, hit + 1)) {
    const entry = entries.find(({ at, end }) => at <= hit && hit < end);
    if (entry === undefined || endOfEntry(file, entry.at) !== entry.end) continue;
    for (const record of decodeEntry(file.subarray(entry.at, entry.end)).records) {
      const value = Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength);
      if (record.topic === topic && value.subarray(place, place + bytes.length).equals(bytes)) return Buffer.from(value);
    }
  }
  return null;
};

/** One turn at a time for each key; whoever comes while it runs shares the next, since this one may have begun before what they look for. */
const createTurns = <V>(take: (key: string) => Promise<V>): ((key: string) => Promise<V>) => {
  const turns = new Map<string, { readonly running: Promise<V>; next: Promise<V> | null }>();
  const start = (key: string): Promise<V> => {
    const running = take(key).finally(() => {
      if (turns.get(key)!.next === null) turns.delete(key);
    });
    turns.set(key, { running, next: null });
    return running;
  };
  return (key) => {
    const turn = turns.get(key);
    return turn === undefined ? start(key) : (turn.next ??= turn.running.then(() => start(key)));
  };
};
