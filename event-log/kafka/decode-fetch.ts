/** Reads the answer of a fetch (version 11: Kafka 2.3 and later) into records, without a string or an object more than the records need. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { AttuneError } from '#contracts';

export interface FetchedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** What is replicated, and so readable, ends here. */
  readonly highWatermark: number;
  readonly records: readonly FetchedRecord[];
  /** Where the next fetch begins: after the last batch, even when compaction left nothing in it. Null: no whole batch came. */
  readonly next: number | null;
  /** Why the first batch cannot be read; one further on is the first of the next fetch. */
  readonly fault: UnreadableBatch | null;
}

/** It will not be readable later either. */
export class UnreadableBatch extends AttuneError {
  constructor(topic: string, partition: number, offset: number, cause: unknown) {
    const code = cause instanceof AttuneError ? cause.code : 'event-log.format';
    super(code, `${topic} ${partition} cannot be read from offset ${offset} on: ${(cause as Error).message}`, { cause });
    this.name = 'UnreadableBatch';
  }
}

/** Values of a topic's compression.type. */
export const READABLE_COMPRESSION: readonly string[] = ['producer', 'uncompressed', 'gzip', 'zstd'];

/** Bytes from the beginning of a batch to its records. */
const BATCH_HEADER_BYTES = 61;
/** The batch's own offset and length, which the length does not count. */
const BATCH_PREFIX_BYTES = 12;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const CONTROL = 0x20;
const MAGIC = 2;
const CODECS: Readonly<Record<number, string>> = { 2: 'snappy', 3: 'lz4' };

/** `fetchOffset`: batches are whole, and may begin before the offset that was asked for. */
export function decodeFetch(raw: Buffer, fetchOffset: (topic: string, partition: number) => number): readonly FetchedPartition[] {
  // Throttle time, error code and session are skipped.
  const cursor = new Cursor(raw, 10);
  const partitions: FetchedPartition[] = [];
  for (let topics = cursor.int32(); topics > 0; topics -= 1) {
    const topic = cursor.string();
    for (let count = cursor.int32(); count > 0; count -= 1) partitions.push(decodePartition(cursor, topic, fetchOffset));
  }
  return partitions;
}

function decodePartition(cursor: Cursor, topic: string, fetchOffset: (topic: string, partition: number) => number): FetchedPartition {
  const partition = cursor.int32();
  const errorCode = cursor.int16();
  const highWatermark = cursor.int64();
  cursor.skip(16); // last stable offset, log start offset
  for (let aborted = cursor.int32(); aborted > 0; aborted -= 1) cursor.skip(16);
  cursor.skip(4); // preferred read replica
  const batches = cursor.bytes(cursor.int32());
  return { topic, partition, errorCode, highWatermark, ...decodeBatches(batches, topic, partition, fetchOffset(topic, partition)) };
}

/** The last batch may be cut off: the next fetch begins with it. */
function decodeBatches(set: Buffer, topic: string, partition: number, from: number): Pick<FetchedPartition, 'records' | 'next' | 'fault'> {
  const records: FetchedRecord[] = [];
  let next: number | null = null;
  for (let at = 0; at + BATCH_HEADER_BYTES <= set.length;) {
    const end = at + BATCH_PREFIX_BYTES + set.readInt32BE(at + 8);
    if (end > set.length) break;
    const before = records.length;
    try {
      next = decodeBatch(set.subarray(at, end), from, records);
    } catch (error) {
      records.length = before;
      const fault = next === null ? new UnreadableBatch(topic, partition, Number(set.readBigInt64BE(at)), error) : null;
      return { records, next, fault };
    }
    at = end;
  }
  return { records, next, fault: null };
}

function decodeBatch(batch: Buffer, from: number, records: FetchedRecord[]): number {
  const firstOffset = Number(batch.readBigInt64BE(0));
  const magic = batch.readInt8(16);
  if (magic !== MAGIC)
    throw new AttuneError('event-log.format', `its records have Kafka's format ${magic}; topics of Kafka 0.11 and later have format 2.`);
  const attributes = batch.readInt16BE(21);
  const next = firstOffset + batch.readInt32BE(23) + 1;
  if ((attributes & CONTROL) !== 0) return next;
  const firstTimestampMs = Number(batch.readBigInt64BE(27));
  const maxTimestampMs = Number(batch.readBigInt64BE(35));
  const isLogAppendTime = (attributes & LOG_APPEND_TIME) !== 0;
  const cursor = new Cursor(decompress(batch.subarray(BATCH_HEADER_BYTES), attributes & CODEC_MASK), 0);
  for (let count = batch.readInt32BE(57); count > 0; count -= 1) {
    const end = cursor.varint() + cursor.at;
    cursor.skip(1); // attributes: none yet
    const timestampMs = firstTimestampMs + cursor.varint();
    const offset = firstOffset + cursor.varint();
    const key = cursor.varBytes();
    const value = cursor.varBytes();
    cursor.at = end; // headers are not ours
    if (offset >= from) records.push({ offset, timestampMs: isLogAppendTime ? maxTimestampMs : timestampMs, key, value });
  }
  return next;
}

function decompress(bytes: Buffer, codec: number): Buffer {
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return gunzipSync(bytes);
    case 4:
      return zstdDecompressSync(bytes);
    default:
      throw new AttuneError(
        'event-log.compression',
        `its records are compressed with ${CODECS[codec] ?? `codec ${codec}`}. Set compression.type of the topic to ${READABLE_COMPRESSION.join(', ')} (attune doctor --fix does); what is there already must be written anew, or deleted.`,
      );
  }
}

class Cursor {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  int16(): number {
    this.at += 2;
    return this.#bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.#bytes.readInt32BE(this.at - 4);
  }

  int64(): number {
    this.at += 8;
    return Number(this.#bytes.readBigInt64BE(this.at - 8));
  }

  string(): string {
    const length = this.int16();
    this.at += length;
    return this.#bytes.toString('utf8', this.at - length, this.at);
  }

  bytes(length: number): Buffer {
    if (length <= 0) return this.#bytes.subarray(0, 0);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** Zigzag, seven bits a byte; exact up to 2^53, as arithmetic and not as bits. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === undefined)
        throw new AttuneError(
          'event-log.format',
          'one of its records is cut off: delete the records up to the next batch (kafka-delete-records.sh).',
        );
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  varBytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.bytes(length);
  }
}
