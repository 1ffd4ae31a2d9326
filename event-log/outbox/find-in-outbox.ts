/** Looks for a record among what waits on this machine's disk, whichever process wrote it. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Topic } from '#contracts';
import { decodeEntry } from '../lmdb/journal-entry.ts';
import { scanSegment } from './segment.ts';
import { parseSegmentName } from './segment-name.ts';

export interface Wanted {
  readonly topic: Topic;
  /** Of the acceptance. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly matches: (value: Buffer) => boolean;
}

/** Null: there is none, or it went to the log meanwhile. */
export const findInOutbox = async (dir: string, wanted: Wanted): Promise<Buffer | null> => {
  for (const file of await readdir(dir)) {
    const name = parseSegmentName(file);
    if (name === null || name.openedAtMs > wanted.toMs) continue;
    const bytes = await readFile(join(dir, file)).catch(() => null);
    const found = bytes === null ? null : findInSegment(bytes, wanted);
    if (found !== null) return found;
  }
  return null;
};

const findInSegment = (file: Buffer, { topic, fromMs, toMs, matches }: Wanted): Buffer | null => {
  for (const { at, end, acceptedAtMs } of scanSegment(file).entries) {
    if (acceptedAtMs < fromMs || acceptedAtMs > toMs) continue;
    for (const record of decodeEntry(file.subarray(at, end)).records) {
      const value = Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength);
      if (record.topic === topic && matches(value)) return Buffer.from(value);
    }
  }
  return null;
};
