/** A chunk is one LMDB entry: the records of one topic and partition that were committed together, sharing one timestamp. */
import type { Topic } from '#contracts';
import type { AppendRecord, LogRecord } from '../port.ts';

/** timestamp float64, count uint32; then for each record: value length uint32, key length + 1 uint16 (0: no key), key, value. */
const HEADER_BYTES = 12;
const RECORD_HEADER_BYTES = 6;

/**
 * A chunk stays below this unless one record alone is larger. Chunks make appends and reads cheap (one B-tree entry for many
 * records); small ones keep LMDB's reuse of freed pages easy, since a value above 2 KB needs neighbouring free pages.
 */
export const CHUNK_BYTES = 15_000;

export function sizeInChunk(record: AppendRecord): number {
  return RECORD_HEADER_BYTES + (record.key?.length ?? 0) + record.value.length;
}

/** The timestamp is stamped later, inside the write transaction. */
export function encodeChunk(records: readonly AppendRecord[]): Buffer {
  const size = records.reduce((sum, record) => sum + sizeInChunk(record), HEADER_BYTES);
  const chunk = Buffer.allocUnsafe(size);
  chunk.writeUInt32LE(records.length, 8);
  let at = HEADER_BYTES;
  for (const { key, value } of records) {
    chunk.writeUInt32LE(value.length, at);
    chunk.writeUInt16LE(key === undefined ? 0 : key.length + 1, at + 4);
    at += RECORD_HEADER_BYTES;
    if (key !== undefined) {
      chunk.set(key, at);
      at += key.length;
    }
    chunk.set(value, at);
    at += value.length;
  }
  return chunk;
}

export function stampChunk(chunk: Buffer, timestampMs: number): void {
  chunk.writeDoubleLE(timestampMs, 0);
}

export function chunkTimestamp(chunk: Buffer): number {
  return chunk.readDoubleLE(0);
}

export function chunkCount(chunk: Buffer): number {
  return chunk.readUInt32LE(8);
}

export interface ChunkPlace {
  readonly topic: Topic;
  readonly partition: number;
  readonly firstOffset: number;
}

/** Pushes the chunk's records from `offset` on, until `records` holds `limit`. Values are views of `chunk`, which must be a private copy. */
export function pushRecords(chunk: Buffer, place: ChunkPlace, offset: number, limit: number, records: LogRecord[]): void {
  const { topic, partition, firstOffset } = place;
  const timestampMs = chunkTimestamp(chunk);
  const count = chunkCount(chunk);
  let at = HEADER_BYTES;
  for (let index = 0; index < count && records.length < limit; index += 1) {
    const valueBytes = chunk.readUInt32LE(at);
    const keyBytes = chunk.readUInt16LE(at + 4) - 1;
    at += RECORD_HEADER_BYTES;
    const valueAt = at + Math.max(keyBytes, 0);
    if (firstOffset + index >= offset) {
      const key = keyBytes < 0 ? null : chunk.subarray(at, valueAt);
      records.push({
        topic,
        partition,
        offset: firstOffset + index,
        timestampMs,
        key,
        value: chunk.subarray(valueAt, valueAt + valueBytes),
      });
    }
    at = valueAt + valueBytes;
  }
}
