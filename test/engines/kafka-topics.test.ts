/** The log's topics on a real broker: planned, checked, mended, and given more partitions. */
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { STATE_INPUTS, TOPICS, type Topic } from '#contracts';
import { checkTopics, fixTopics, openKafkaLog, raisePartitions, type EventLog, type Follower } from '../../event-log/index.ts';
import { writeGeneration } from '../../event-log/kafka/admin.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (url) => {
  describe('the topics of the log', { timeout: 90_000 }, () => {
    const connection = { brokers: url.split(',') };
    const { events, outcomes, controls } = TOPICS;
    let topicPrefix: string;
    let opened: EventLog[];

    beforeEach(() => {
      topicPrefix = `t${randomUUID().slice(0, 8)}.`;
      opened = [];
    });
    afterEach(async () => {
      await Promise.all(opened.map((log) => log.close()));
      await deleteTopics(connection.brokers, topicPrefix);
    });

    const options = () => ({ connection, topicPrefix, partitions: 4, replicationFactor: 1 });
    const prepare = () => fixTopics({ ...options(), nowMs: Date.now(), epoch: 7 });
    const open = async (onSuperseded?: () => void): Promise<EventLog> => {
      const log = await openKafkaLog({
        connection,
        topicPrefix,
        sessionTimeoutMs: 6_000,
        heartbeatMs: 300,
        ...(onSuperseded === undefined ? {} : { onSuperseded }),
      });
      opened.push(log);
      return log;
    };

    test('a log that was never prepared is not opened, and the error says what to do', async () => {
      await expect(open()).rejects.toMatchObject({
        code: 'event-log.not-prepared',
        message: expect.stringContaining('attune doctor --fix'),
      });
    });

    test('an unreachable broker is unavailable, not unprepared', async () => {
      const nowhere = { brokers: ['127.0.0.1:9'] };
      await expect(openKafkaLog({ connection: nowhere, topicPrefix })).rejects.toMatchObject({ code: 'event-log.unavailable' });
    });

    test('what is missing is said in sentences, made once, and then all is well', async () => {
      const before = await checkTopics(options());
      expect(before.generation).toBeNull();
      expect(before.problems).toContain(`The topic ${topicPrefix}attune.events is missing.`);
      const fixed = await prepare();
      expect(fixed.problems).toEqual([]);
      expect(fixed.done).toContain(`${topicPrefix}attune.events was created with 4 partitions.`);
      expect(await prepare()).toEqual({ done: [], problems: [] });
      expect((await checkTopics(options())).generation).toMatchObject({ generation: 1, epoch: 7, partitions: 4 });
      expect((await open()).epoch).toBe(7);
    });

    test('settings that would break a promise are found and mended; the others of the topic stay', async () => {
      await prepare();
      const name = `${topicPrefix}${events}`;
      const admin = new Kafka({ brokers: connection.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const configEntries = [
        { name: 'retention.ms', value: String(90 * 86_400_000) },
        { name: 'message.timestamp.type', value: 'CreateTime' },
        { name: 'max.message.bytes', value: '2000000' },
      ];
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }] });
      // A broker answers before it goes by what it was told.
      await expect.poll(async () => (await checkTopics(options())).problems, { timeout: 10_000 }).toHaveLength(3);
      const { problems } = await checkTopics(options());
      expect(problems.join(' ')).toMatch(/retention\.ms=7776000000, not .*segment\.ms|segment\.ms.*retention\.ms=7776000000/);
      expect((await prepare()).problems).toEqual([]);
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['max.message.bytes'] }],
      });
      expect(resources[0]!.configEntries[0]!.configValue).toBe('2000000');
      await admin.disconnect();
    });

    test('records that cannot be read hold up only their own partition, and are told of where they are', async () => {
      await prepare();
      const name = `${topicPrefix}${events}`;
      const admin = new Kafka({ brokers: connection.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const configEntries = [{ name: 'compression.type', value: 'lz4' }];
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }] });
      await admin.disconnect();
      await expect
        .poll(async () => (await checkTopics(options())).problems, { timeout: 10_000 })
        .toContain(`${name} has compression.type=lz4, not producer.`);

      const log = await open();
      const append = (topic: Topic, shard: number, text: string) => log.append([{ topic, shard, value: Buffer.from(text) }]);
      await append(events, 1, 'unreadable');
      expect((await prepare()).problems).toEqual([]);
      await append(events, 2, 'a');
      await append(outcomes, 1, 'b');
      const texts: string[] = [];
      const errors: Error[] = [];
      const consumer = log.consume({
        group: 'g',
        topics: [events, outcomes],
        onBatch: async ({ records }) => void texts.push(...records.map(({ value }) => String(value))),
        onError: (error) => void errors.push(error as Error),
      });
      await vi.waitFor(() => expect(texts.toSorted()).toEqual(['a', 'b']), { timeout: 30_000, interval: 100 });
      for (const text of ['c', 'd', 'e']) {
        await append(outcomes, 1, text);
        await append(events, 2, text);
      }
      await vi.waitFor(() => expect(texts).toHaveLength(8), { timeout: 3_000, interval: 50 });
      const unreadable = () => errors.filter(({ message }) => message.includes('lz4'));
      await vi.waitFor(() => expect(unreadable().length).toBeGreaterThan(1), { timeout: 5_000 });
      const message = expect.stringMatching(`^${name} 1 cannot be read from offset 0 on: .*lz4.*doctor --fix`);
      for (const error of unreadable()) expect(error).toMatchObject({ code: 'event-log.compression', message });
      expect(unreadable().length).toBeLessThan(10);
      await consumer.stop();

      await expect(log.read(events, 1, 0, 10)).rejects.toMatchObject({ code: 'event-log.compression', message });
      await expect(log.follow([events], () => undefined).caughtUp).rejects.toMatchObject({ message });
    });

    test('a follower that has stopped is forgotten by its log', async () => {
      await prepare();
      const log = await open();
      const followOnce = async (): Promise<WeakRef<Follower>> => {
        const follower = log.follow([controls], () => undefined);
        await follower.caughtUp;
        await follower.stop();
        return new WeakRef(follower);
      };
      const stopped = await followOnce();
      setFlagsFromString('--expose-gc');
      const collectGarbage = runInNewContext('gc') as () => void;
      const isGone = (): boolean => {
        collectGarbage();
        return stopped.deref() === undefined;
      };
      await vi.waitFor(() => expect(isGone()).toBe(true), { timeout: 10_000, interval: 200 });
    });

    test('of two that prepare the log at once, the first one gives it its epoch', async () => {
      await prepare();
      await writeGeneration(options(), { generation: 1, epoch: 99, partitions: 64, atMs: 0 });
      expect(await open()).toMatchObject({ epoch: 7, partitions: 4 });
    });

    test('partitions are raised when all is read and nobody is at work; then the log has another epoch', async () => {
      await prepare();
      const onSuperseded = vi.fn();
      const forgotten = await open(onSuperseded);
      const log = await open();
      const [first] = await log.append([{ topic: events, shard: 6, value: Buffer.from('before') }]);
      await log.append([{ topic: controls, shard: 6, key: Buffer.from('k'), value: Buffer.from('1') }]);
      expect(first!.partition).toBe(2);

      const raise = (partitions = 16) => raisePartitions({ ...options(), partitions, nowMs: Date.now(), epoch: 8 });
      await expect(raise(4)).rejects.toMatchObject({ code: 'event-log.partitions' });
      await expect(raise()).rejects.toThrow(/has 1 records left to read/);
      const consumer = log.consume({ group: 'state', topics: STATE_INPUTS, onBatch: async () => undefined });
      await vi.waitFor(async () => expect(await log.lag('state', STATE_INPUTS)).toBe(0), { timeout: 30_000, interval: 200 });
      await expect(raise()).rejects.toThrow(/groups with members: .*state \(1\)/);
      await consumer.stop();
      await raise();

      const raised = await open();
      expect(raised).toMatchObject({ epoch: 8, partitions: 16, formerPartitions: [4] });
      expect((await checkTopics(options())).problems).toEqual([]);
      expect(String((await raised.read(events, 2, 0, 1))[0]!.value)).toBe('before');
      const [after] = await raised.append([{ topic: events, shard: 6, value: Buffer.from('after') }]);
      expect(after!.partition).toBe(6);

      // A key stays where it is, so that its newest record is known.
      const [newer] = await raised.append([{ topic: controls, shard: 6, key: Buffer.from('k'), value: Buffer.from('2') }]);
      expect(newer!.partition).toBe(2);
      expect(await raised.read(controls, 15, 0, 10)).toEqual([]);
      const seen: string[] = [];
      await raised.follow([controls], ({ value }) => seen.push(String(value))).caughtUp;
      expect(seen).toEqual(['1', '2']);

      const texts: string[] = [];
      const again = raised.consume({
        group: 'state',
        topics: STATE_INPUTS,
        onBatch: async ({ records }) => void texts.push(...records.map(({ value }) => String(value))),
      });
      await vi.waitFor(() => expect(texts).toEqual(['after']), { timeout: 30_000, interval: 200 });
      expect(again.assigned()).toHaveLength(16);

      // A process that nobody stopped finds out by itself.
      await vi.waitFor(() => expect(onSuperseded).toHaveBeenCalledOnce(), { timeout: 10_000 });
      await expect(forgotten.append([{ topic: events, shard: 6, value: Buffer.from('lost') }])).rejects.toThrow(/16 partitions by now/);
    });
  });
});
