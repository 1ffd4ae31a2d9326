import fc from 'fast-check';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { encodeProduce, type ProduceBatch } from './encode-produce.ts';

const require = createRequire(import.meta.url);
/** KafkaJS's own encoder of the same request. */
const theirs = require('kafkajs/src/protocol/requests/produce/v7/request') as (options: object) => {
  encode(): Promise<{ buffer: Buffer }>;
};

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const record = fc.record({ key: fc.option(bytes(80)), value: bytes(20_000) });
const batch: fc.Arbitrary<ProduceBatch> = fc.record({
  partition: fc.nat(1_000),
  firstSequence: fc.nat(),
  records: fc.array(record, { minLength: 1, maxLength: 100, size: 'small' }),
});
const topics = fc.array(fc.record({ topic: fc.string({ minLength: 1, maxLength: 30 }), batches: fc.array(batch, { maxLength: 4 }) }), {
  maxLength: 4,
});

describe('the body of a Produce request', () => {
  it('is the one that KafkaJS writes, byte by byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        topics,
        fc.bigInt({ min: 0n, max: 2n ** 62n }),
        fc.nat(32_767),
        fc.integer({ min: 1, max: 2 ** 42 }),
        async (all, id, producerEpoch, nowMs) => {
          const common = { acks: -1 as const, producerId: String(id), producerEpoch };
          const expected = await theirs({
            ...common,
            timeout: 5_000,
            topicData: all.map(({ topic, batches }) => ({
              topic,
              partitions: batches.map(({ partition, firstSequence, records }) => ({
                partition,
                firstSequence,
                messages: records.map((one) => ({ ...one, timestamp: nowMs })),
              })),
            })),
          }).encode();
          const written = encodeProduce({ ...common, timeoutMs: 5_000, topics: all }, nowMs);
          expect(written.equals(expected.buffer)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});
