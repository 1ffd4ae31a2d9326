/** What KafkaJS, no longer developed, does with a Kafka 4 broker: all that the event log asks of it (docs/decisions/0008). */
import { ConfigResourceTypes, Kafka, logLevel, type Admin, type Consumer, type Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (url) => {
  describe('kafkajs against the broker', () => {
    const kafka = new Kafka({ clientId: 'proof', brokers: url.split(','), logLevel: logLevel.NOTHING });
    const topic = `proof-${process.pid}-${Date.now()}`;
    let admin: Admin;
    let producer: Producer;
    const consumers: Consumer[] = [];

    beforeAll(async () => {
      admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4, replicationFactor: 1 }] });
      producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
    });
    afterAll(async () => {
      await Promise.all(consumers.map((consumer) => consumer.disconnect()));
      await producer.disconnect();
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    });

    test('an idempotent producer with acks=all is told where its records are', async () => {
      const [first] = await producer.send({
        topic,
        acks: -1,
        messages: [{ partition: 2, key: Buffer.from('k'), value: Buffer.from('v') }],
      });
      const [second] = await producer.send({ topic, acks: -1, messages: [{ partition: 2, value: Buffer.alloc(0) }] });
      expect(first).toMatchObject({ partition: 2, errorCode: 0, baseOffset: '0' });
      expect(second).toMatchObject({ partition: 2, baseOffset: '1' });
    });

    test('a transaction commits records with offsets, and an aborted one is not read', async () => {
      const transactional = kafka.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: `${topic}-tx` });
      await transactional.connect();
      const committed = await transactional.transaction();
      await committed.send({ topic, messages: [{ partition: 3, value: 'kept' }] });
      // KafkaJS does not try again where the group's coordinator is made or still loading: a fresh broker needs that.
      const topics = [{ topic, partitions: [{ partition: 2, offset: '1' }] }];
      await vi.waitFor(() => committed.sendOffsets({ consumerGroupId: `${topic}-tx`, topics }), { timeout: 30_000, interval: 200 });
      await committed.commit();
      const aborted = await transactional.transaction();
      await aborted.send({ topic, messages: [{ partition: 3, value: 'gone' }] });
      await aborted.abort();
      await transactional.disconnect();
      const [offsets] = await admin.fetchOffsets({ groupId: `${topic}-tx`, topics: [topic] });
      expect(offsets!.partitions.find(({ partition }) => partition === 2)!.offset).toBe('1');
      const seen: string[] = [];
      await consume(`${topic}-read`, (value) => seen.push(value));
      await expect.poll(() => seen.includes('kept'), { timeout: 15_000 }).toBe(true);
      expect(seen).not.toContain('gone');
    });

    test('two members of a group share the partitions, and the one that stays takes all', { timeout: 60_000 }, async () => {
      const of = [new Set<number>(), new Set<number>()];
      const members = [0, 1].map((index) => joined(`${topic}-shared`, (partitions) => (of[index] = new Set(partitions))));
      const [, second] = await Promise.all(members);
      await expect.poll(() => [of[0]!.size, of[1]!.size], { timeout: 30_000 }).toEqual([2, 2]);
      expect(of[0]!.intersection(of[1]!).size).toBe(0);
      await second!.disconnect();
      await expect.poll(() => of[0]!.size, { timeout: 30_000 }).toBe(4);
    });

    test('an admin sees offsets, times, groups and settings, and raises partitions', async () => {
      const offsets = await admin.fetchTopicOffsets(topic);
      expect(offsets.find(({ partition }) => partition === 2)).toMatchObject({ low: '0', high: '2' });
      const byTime = await admin.fetchTopicOffsetsByTimestamp(topic, Date.now() - 60_000);
      expect(byTime.find(({ partition }) => partition === 2)!.offset).toBe('0');
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '123456' }] }],
      });
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }],
      });
      expect(resources[0]!.configEntries[0]!.configValue).toBe('123456');
      await admin.createPartitions({ topicPartitions: [{ topic, count: 8 }] });
      expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions).toHaveLength(8);
    });

    const open = async (groupId: string): Promise<Consumer> => {
      const consumer = kafka.consumer({ groupId, sessionTimeout: 6_000, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
      consumers.push(consumer);
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      return consumer;
    };
    const consume = async (groupId: string, onValue: (value: string) => void): Promise<void> => {
      const consumer = await open(groupId);
      await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => onValue(String(message.value)) });
    };
    const joined = async (groupId: string, onAssigned: (partitions: readonly number[]) => void): Promise<Consumer> => {
      const consumer = await open(groupId);
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => onAssigned(payload.memberAssignment[topic] ?? []));
      await consumer.run({ autoCommit: false, eachMessage: async () => undefined });
      return consumer;
    };
  });
});
