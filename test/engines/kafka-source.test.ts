/** The operator's own topics on a real broker: read in order, committed after, known by their life. */
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin, Producer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openKafkaSourceLog } from '../../event-log/index.ts';
import type { SourceBatch, SourceLog } from '../../event-log/index.ts';
import { createTopic } from './create-topic.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (url) => {
  describe('the operator’s topics on Kafka', () => {
    const brokers = url.split(',');
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const prefix = `src-${randomUUID().slice(0, 8)}.`;
    const logs: SourceLog[] = [];
    let admin: Admin;
    let producer: Producer;
    let number = 0;

    beforeAll(async () => {
      admin = kafka.admin();
      await admin.connect();
      producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
    });
    afterEach(async () => {
      for (const log of logs.splice(0)) await log.close();
    });
    afterAll(async () => {
      await producer.disconnect();
      await admin.disconnect();
      await deleteTopics(brokers, prefix);
    });

    const open = (): SourceLog => {
      const log = openKafkaSourceLog({ connection: { brokers }, groupPrefix: prefix, sessionTimeoutMs: 6_000, heartbeatMs: 300 });
      logs.push(log);
      return log;
    };
    const aTopic = async (): Promise<string> => {
      const topic = `${prefix}${++number}`;
      await createTopic(admin, topic, 3);
      return topic;
    };
    const send = async (topic: string, partition: number, from: number, count: number): Promise<void> => {
      const messages = Array.from({ length: count }, (_, i) => ({
        partition,
        key: `k${from + i}`,
        value: String(from + i),
        headers: { origin: 'test' },
      }));
      await producer.send({ topic, acks: -1, messages });
    };
    const numbers = (batches: readonly SourceBatch[], partition: number): number[] =>
      batches.filter((batch) => batch.partition === partition).flatMap(({ records }) => records.map(({ value }) => Number(value)));
    const read = (log: SourceLog, topic: string, group: string, more: { onBatch?: (batch: SourceBatch) => Promise<void> } = {}) => {
      const batches: SourceBatch[] = [];
      const errors: Error[] = [];
      const consumer = log.consume({
        group,
        topic,
        from: 'earliest',
        maxRecords: 10,
        async onBatch(batch) {
          await more.onBatch?.(batch);
          batches.push(batch);
        },
        onError: (error) => errors.push(error as Error),
      });
      return { batches, errors, consumer };
    };
    const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

    test(
      'every record once, in order, with key, headers, time and what is left; the next member goes on',
      { timeout: 60_000 },
      async () => {
        const topic = await aTopic();
        await send(topic, 0, 0, 25);
        const first = read(open(), topic, 'g');
        await expect.poll(() => numbers(first.batches, 0), { timeout: 20_000 }).toEqual(range(25));
        const [batch] = first.batches;
        expect(batch!.records[1]).toMatchObject({ offset: 1, key: Buffer.from('k1'), headers: { origin: 'test' } });
        expect(batch!.records[1]!.timestampMs).toBeGreaterThan(Date.now() - 60_000);
        expect(first.batches.map(({ lag }) => lag)).toEqual([15, 5, 0]);
        await first.consumer.stop();
        await send(topic, 0, 25, 5);
        const log = open();
        expect(await log.describe(topic, 'g')).toEqual({ topicId: batch!.topicId, partitions: 3, lag: 5 });
        const second = read(log, topic, 'g');
        await expect.poll(() => numbers(second.batches, 0), { timeout: 20_000 }).toEqual([25, 26, 27, 28, 29]);
      },
    );

    test('what fails comes again before anything later of its partition; other partitions go on', { timeout: 60_000 }, async () => {
      const topic = await aTopic();
      await send(topic, 0, 0, 30);
      await send(topic, 1, 0, 30);
      let fails = 2;
      const { batches, errors } = read(open(), topic, 'g', {
        async onBatch({ partition, records }) {
          if (partition === 0 && records[0]!.offset === 10 && fails-- > 0) throw new Error('not now');
        },
      });
      await expect.poll(() => [numbers(batches, 0).length, numbers(batches, 1).length], { timeout: 20_000 }).toEqual([30, 30]);
      expect(numbers(batches, 0)).toEqual(range(30));
      expect(errors.map(({ message }) => message)).toEqual(['not now', 'not now']);
    });

    test('members come and go: each record at least once, and none is passed over', { timeout: 90_000 }, async () => {
      const topic = await aTopic();
      const seen = [new Set<number>(), new Set<number>(), new Set<number>()];
      const note = async ({ partition, records }: SourceBatch): Promise<void> => {
        for (const { value } of records) seen[partition]!.add(Number(value));
        await new Promise((resolve) => setTimeout(resolve, 20));
      };
      let sent = 0;
      const sendMore = async (): Promise<void> => {
        for (const partition of [0, 1, 2]) await send(topic, partition, sent, 20);
        sent += 20;
      };
      const first = read(open(), topic, 'g', { onBatch: note });
      await sendMore();
      await expect.poll(() => first.batches.length, { timeout: 20_000 }).toBeGreaterThan(2);
      const second = read(open(), topic, 'g', { onBatch: note });
      const secondWorks = async (): Promise<number> => {
        await sendMore();
        return second.batches.length;
      };
      await expect.poll(secondWorks, { timeout: 30_000, interval: 100 }).toBeGreaterThan(2);
      await first.consumer.stop();
      await sendMore();
      await expect.poll(() => seen.map(({ size }) => size), { timeout: 40_000 }).toEqual([sent, sent, sent]);
    });

    test('a topic that is not there is waited for; one that was made again has another id', { timeout: 90_000 }, async () => {
      const topic = `${prefix}late`;
      const log = open();
      expect(await log.describe(topic, 'g')).toBeNull();
      const { batches, errors } = read(log, topic, 'g');
      await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(0);
      expect(errors[0]!.message).toContain(`there is no topic ${topic}`);
      await createTopic(admin, topic, 3);
      await send(topic, 0, 0, 3);
      await expect.poll(() => numbers(batches, 0), { timeout: 30_000 }).toEqual([0, 1, 2]);
      const before = batches[0]!.topicId;
      expect(before).toMatch(/^[\w-]{22}$/);
      await admin.deleteTopics({ topics: [topic] });
      await expect.poll(async () => (await log.describe(topic, 'g')) === null, { timeout: 20_000 }).toBe(true);
      await createTopic(admin, topic, 3);
      await send(topic, 0, 100, 2);
      await expect.poll(() => numbers(batches, 0), { timeout: 40_000 }).toEqual([0, 1, 2, 100, 101]);
      expect(batches.at(-1)!.topicId).not.toBe(before);
    });
  });
});
