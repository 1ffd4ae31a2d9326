/** Reads several queues as one: in offset order within each, merged by timestamp. */
import type { Topic } from '#contracts';
import type { LogRecord } from '../port.ts';
import type { Reader } from './reader.ts';

/** One topic's partition, with the place that its reader has reached. */
export interface Cursor {
  readonly topic: Topic;
  readonly partition: number;
  /** The offset that the next record taken has at least. */
  position: number;
  buffer: readonly LogRecord[];
  taken: number;
}

export function createCursor(topic: Topic, partition: number, position: number): Cursor {
  return { topic, partition, position, buffer: [], taken: 0 };
}

/** The next records of all cursors, at most `maxRecords`. Reads all queues in one snapshot, so that none seems to run ahead. */
export function takeMerged(reader: Reader, cursors: readonly Cursor[], maxRecords: number): LogRecord[] {
  reader.refresh();
  for (const cursor of cursors) refill(reader, cursor, maxRecords);
  const single = cursors.filter((cursor) => cursor.taken < cursor.buffer.length);
  const records: LogRecord[] = [];
  while (records.length < maxRecords) {
    const oldest = pickOldest(single);
    if (oldest === null) break;
    const record = oldest.buffer[oldest.taken]!;
    oldest.taken += 1;
    oldest.position = record.offset + 1;
    records.push(record);
  }
  for (const cursor of cursors) if (cursor.taken >= cursor.buffer.length) skipGap(reader, cursor, maxRecords);
  return records;
}

function refill(reader: Reader, cursor: Cursor, maxRecords: number): void {
  const left = cursor.buffer.length - cursor.taken;
  if (left >= maxRecords) return;
  const rest = cursor.buffer.slice(cursor.taken);
  const from = rest.at(-1)?.offset ?? cursor.position - 1;
  const more = reader.read(cursor.topic, cursor.partition, from + 1, maxRecords - left);
  cursor.buffer = left === 0 ? more : rest.concat(more);
  cursor.taken = 0;
}

/** Past the last record there may be offsets that will never hold one; a reader at the end steps over them. */
function skipGap(reader: Reader, cursor: Cursor, maxRecords: number): void {
  if (cursor.buffer.length >= maxRecords) return;
  cursor.position = Math.max(cursor.position, reader.heads(cursor.topic).next(cursor.partition));
}

function pickOldest(cursors: readonly Cursor[]): Cursor | null {
  let oldest: Cursor | null = null;
  let oldestMs = Infinity;
  for (const cursor of cursors) {
    const record = cursor.buffer[cursor.taken];
    if (record !== undefined && record.timestampMs < oldestMs) {
      oldest = cursor;
      oldestMs = record.timestampMs;
    }
  }
  return oldest;
}
