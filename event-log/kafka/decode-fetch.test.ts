import { createRequire } from 'node:module';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFetch } from './decode-fetch.ts';

/** KafkaJS writes what ours reads: two readings of Kafka's format that have to agree. */
const require = createRequire(import.meta.url);
interface Encoded {
  readonly buffer: Buffer;
}
const recordBatch = require('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch(options: object): Promise<Encoded> };
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (options: object) => Encoded;

interface Written {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampDelta: number;
  readonly headers: Record<string, string>;
}

const NOW_MS = 1_795_000_000_000;
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const written = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestampDelta: fc.integer({ min: -5_000_000_000, max: 5_000_000_000 }),
  headers: fc.constantFrom({}, { trace: 'abc' }),
});

const batchOf = async (firstOffset: number, records: readonly Written[]): Promise<Buffer> => {
  const batch = await recordBatch.RecordBatch({
    firstOffset,
    firstTimestamp: NOW_MS,
    maxTimestamp: NOW_MS + 7,
    lastOffsetDelta: records.length - 1,
    records: records.map((record, offsetDelta) => encodeRecord({ ...record, offsetDelta })),
  });
  return Buffer.from(batch.buffer);
};

/** An answer of version 11 with one partition. */
const answerOf = (set: Buffer, errorCode = 0): Buffer => {
  const topic = Buffer.from('attune.events');
  const head = Buffer.alloc(10 + 4 + 2 + topic.length + 4);
  head.writeInt32BE(1, 10);
  head.writeInt16BE(topic.length, 14);
  topic.copy(head, 16);
  head.writeInt32BE(1, 16 + topic.length);
  const partition = Buffer.alloc(4 + 2 + 8 + 8 + 8 + 4 + 4 + 4);
  partition.writeInt32BE(3, 0);
  partition.writeInt16BE(errorCode, 4);
  partition.writeBigInt64BE(500n, 6);
  partition.writeInt32BE(-1, 34);
  partition.writeInt32BE(set.length, 38);
  return Buffer.concat([head, partition, set]);
};

/** The same batch with its records compressed. The checksum is of no interest here. */
const compressed = (batch: Buffer, codec: number, compress: (raw: Buffer) => Buffer): Buffer => {
  const body = compress(batch.subarray(61));
  const head = Buffer.from(batch.subarray(0, 61));
  head.writeInt32BE(61 - 12 + body.length, 8);
  head.writeInt16BE(head.readInt16BE(21) | codec, 21);
  return Buffer.concat([head, body]);
};

const asRead = (records: readonly Written[], firstOffset: number) =>
  records.map(({ key, value, timestampDelta }, index) => ({
    offset: firstOffset + index,
    timestampMs: NOW_MS + timestampDelta,
    key,
    value,
  }));

describe('the answer of a fetch', () => {
  it('law: gives back what KafkaJS wrote, compressed or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(written, { minLength: 1, maxLength: 20 }),
        fc.constantFrom('none', 'gzip', 'zstd'),
        async (records, codec) => {
          const plain = await batchOf(100, records);
          const set = codec === 'none' ? plain : codec === 'gzip' ? compressed(plain, 1, gzipSync) : compressed(plain, 4, zstdCompressSync);
          const [partition] = decodeFetch(answerOf(set), () => 100);
          expect(partition).toMatchObject({ topic: 'attune.events', partition: 3, errorCode: 0, highWatermark: 500 });
          expect(partition!.records).toEqual(asRead(records, 100));
          expect(partition!.next).toBe(100 + records.length);
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });

  const three = [0, 1, 2].map((index) => ({ key: null, value: Buffer.from(String(index)), timestampDelta: index, headers: {} }));

  it('begins at the offset that was asked for, in the middle of a batch', async () => {
    const [partition] = decodeFetch(answerOf(await batchOf(10, three)), () => 11);
    expect(partition!.records.map(({ offset }) => offset)).toEqual([11, 12]);
  });

  it('leaves a batch that was cut off to the next fetch', async () => {
    const set = Buffer.concat([await batchOf(10, three), (await batchOf(13, three)).subarray(0, 70)]);
    const [partition] = decodeFetch(answerOf(set), () => 10);
    expect(partition!.records).toHaveLength(3);
    expect(partition!.next).toBe(13);
    expect(decodeFetch(answerOf(Buffer.alloc(0)), () => 10)[0]).toMatchObject({ records: [], next: null });
  });

  it('steps over a batch in which compaction left nothing', async () => {
    const empty = Buffer.from((await batchOf(10, three)).subarray(0, 61));
    empty.writeInt32BE(61 - 12, 8);
    empty.writeInt32BE(0, 57);
    expect(decodeFetch(answerOf(empty), () => 10)[0]).toMatchObject({ records: [], next: 13 });
  });

  it('takes the broker’s time where the topic says so', async () => {
    const batch = await batchOf(10, three);
    batch.writeInt16BE(0x08, 21);
    expect(decodeFetch(answerOf(batch), () => 10)[0]!.records.map(({ timestampMs }) => timestampMs)).toEqual([
      NOW_MS + 7,
      NOW_MS + 7,
      NOW_MS + 7,
    ]);
  });

  it('says where a batch is that cannot be read, and what to do', async () => {
    const snappy = compressed(await batchOf(10, three), 2, (raw) => raw);
    const [partition] = decodeFetch(answerOf(snappy), () => 10);
    expect(partition).toMatchObject({ records: [], next: null, fault: { code: 'event-log.compression', retriable: false } });
    expect(partition!.fault!.message).toMatch(/^attune\.events 3 .*offset 10 .*snappy.*compression\.type.*doctor --fix/);
  });

  it('gives what stands before a batch that cannot be read, and nothing of that batch', async () => {
    const cutOff = await batchOf(13, three);
    cutOff.writeInt32BE(4, 57);
    const [partition] = decodeFetch(answerOf(Buffer.concat([await batchOf(10, three), cutOff])), () => 10);
    expect(partition!.records.map(({ offset }) => offset)).toEqual([10, 11, 12]);
    expect(partition).toMatchObject({ next: 13, fault: null });
    expect(decodeFetch(answerOf(cutOff), () => 13)[0]).toMatchObject({ records: [], next: null, fault: { code: 'event-log.format' } });
  });
});
