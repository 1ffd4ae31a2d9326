import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TOPICS, customerKeyFromBytes, eventCodec, shardOf } from '#contracts';
import type { EventRecord } from '#contracts';
import { identityHash } from '#feature-store';
import { readStoredEvent } from './stored-event.ts';

const read = (value: Buffer) => readStoredEvent({ topic: TOPICS.events, partition: 0, offset: 0, timestampMs: 0, key: null, value });

const time = fc.integer({ min: -(2 ** 45), max: 2 ** 45 });
const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 300 }));
const records: fc.Arbitrary<EventRecord> = fc.record({
  id: text,
  source: text,
  type: fc.oneof(text, fc.constantFrom('page.viewed', 'bill.issued')),
  subjectKind: text,
  subjectId: fc.option(text),
  customerKey: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  time,
  receivedAt: time,
  data: fc.oneof(fc.json(), text),
});

test('an event read in place says the same as the codec', () => {
  fc.assert(
    fc.property(records, (record) => {
      const bytes = eventCodec.encode(record);
      const decoded = eventCodec.decode(bytes);
      const stored = read(bytes)!;
      const { id, source, type, data } = decoded;
      expect({ id: stored.id, source: stored.source, type: stored.type, data: stored.data }).toEqual({ id, source, type, data });
      expect([stored.time, stored.receivedAt]).toEqual([decoded.time, decoded.receivedAt]);
      expect(stored.key).toBe(customerKeyFromBytes(decoded.customerKey));
      expect(stored.shard).toBe(decoded.subjectId === null ? null : shardOf(decoded.subjectId));
      expect(stored.identity).toBe(identityHash(`event:${source}/${id}`));
    }),
    { seed: 7, numRuns: 500 },
  );
});

test('what is cut off, prolonged or of another schema is left to the codec', () => {
  fc.assert(
    fc.property(records, fc.nat(), (record, draw) => {
      const bytes = eventCodec.encode(record);
      expect(read(bytes.subarray(0, draw % bytes.length))).toBeNull();
      expect(read(Buffer.concat([bytes, Buffer.alloc(1 + (draw % 3))]))).toBeNull();
      const other = Buffer.from(bytes);
      other[2 + (draw % 8)]! ^= 1;
      expect(read(other)).toBeNull();
    }),
    { seed: 8, numRuns: 300 },
  );
});

test('bytes that changed anywhere are read like the codec reads them, or left to it', () => {
  fc.assert(
    fc.property(records, fc.nat(), fc.integer({ min: 0, max: 255 }), (record, draw, byte) => {
      const bytes = eventCodec.encode(record);
      bytes[10 + (draw % (bytes.length - 10))] = byte;
      const stored = read(bytes);
      if (stored === null) return;
      const { id, source, type, time: timeMs, receivedAt, data, customerKey, subjectId } = eventCodec.decode(bytes);
      expect(stored.shard).toBe(subjectId === null ? null : shardOf(subjectId));
      expect([stored.id, stored.source, stored.type, stored.time, stored.receivedAt, stored.data, stored.key]).toEqual([
        id,
        source,
        type,
        timeMs,
        receivedAt,
        data,
        customerKeyFromBytes(customerKey),
      ]);
    }),
    { seed: 9, numRuns: 1_000 },
  );
});
