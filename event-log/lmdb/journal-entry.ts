/** How accepted records lie in a journal: length, checksum, number, time, records; what is torn at the end is told from what is whole. */
import { crc32 } from 'node:zlib';
import type { AppendRecord } from '../port.ts';
import { ALL_TOPICS, topicId } from './layout.ts';

/** Body length uint32, CRC-32 of all that follows uint32, number float64, acceptance float64, records uint32. */
const HEADER_BYTES = 28;
const CHECKED_FROM = 8;
/** Topic uint8, shard uint16, key length + 1 uint16 (0: no key), value length uint32. */
const RECORD_HEADER_BYTES = 9;

export interface JournalEntry {
  /** Grows within a journal, over all of its files. */
  readonly number: number;
  readonly acceptedAtMs: number;
  readonly records: readonly AppendRecord[];
}

const TOPIC_OF_ID = new Map(ALL_TOPICS.map((topic) => [topicId(topic), topic]));

export function encodeEntry({ number, acceptedAtMs, records }: JournalEntry): Buffer {
  let size = HEADER_BYTES;
  for (const { key, value } of records) size += RECORD_HEADER_BYTES + (key?.length ?? 0) + value.length;
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(size - HEADER_BYTES, 0);
  bytes.writeDoubleLE(number, 8);
  bytes.writeDoubleLE(acceptedAtMs, 16);
  bytes.writeUInt32LE(records.length, 24);
  let at = HEADER_BYTES;
  for (const { topic, shard, key, value } of records) {
    bytes[at] = topicId(topic);
    bytes.writeUInt16LE(shard, at + 1);
    bytes.writeUInt16LE(key === undefined ? 0 : key.length + 1, at + 3);
    bytes.writeUInt32LE(value.length, at + 5);
    at += RECORD_HEADER_BYTES;
    if (key !== undefined) bytes.set(key, at);
    at += key?.length ?? 0;
    bytes.set(value, at);
    at += value.length;
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(CHECKED_FROM)), 4);
  return bytes;
}

/** The whole entries from the beginning on; values are views of `file`. */
export function decodeEntries(file: Buffer): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let at = 0, end = endOfEntry(file, at); end !== null; at = end, end = endOfEntry(file, at))
    entries.push(decodeEntry(file.subarray(at, end)));
  return entries;
}

/** Where the entry that begins at `at` ends; null when there is none, or none that is whole. */
export function endOfEntry(file: Buffer, at: number): number | null {
  if (at + HEADER_BYTES > file.length) return null;
  const end = at + HEADER_BYTES + file.readUInt32LE(at);
  return end > file.length || crc32(file.subarray(at + CHECKED_FROM, end)) !== file.readUInt32LE(at + 4) ? null : end;
}

/** As the entry that begins at `at` says of itself, unchecked; null when there is none. */
export function headOfEntry(file: Buffer, at: number): { readonly end: number; readonly acceptedAtMs: number } | null {
  if (at + HEADER_BYTES > file.length) return null;
  const end = at + HEADER_BYTES + file.readUInt32LE(at);
  return end > file.length ? null : { end, acceptedAtMs: file.readDoubleLE(at + 16) };
}

/** @param bytes one whole entry; values are views of it */
export function decodeEntry(bytes: Buffer): JournalEntry {
  const records: AppendRecord[] = [];
  const count = bytes.readUInt32LE(24);
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index += 1) {
    const topic = TOPIC_OF_ID.get(bytes[at]!)!;
    const shard = bytes.readUInt16LE(at + 1);
    const keyBytes = bytes.readUInt16LE(at + 3) - 1;
    const valueAt = at + RECORD_HEADER_BYTES + Math.max(keyBytes, 0);
    const end = valueAt + bytes.readUInt32LE(at + 5);
    const value = bytes.subarray(valueAt, end);
    records.push(keyBytes < 0 ? { topic, shard, value } : { topic, shard, key: bytes.subarray(valueAt - keyBytes, valueAt), value });
    at = end;
  }
  return { number: bytes.readDoubleLE(8), acceptedAtMs: bytes.readDoubleLE(16), records };
}
