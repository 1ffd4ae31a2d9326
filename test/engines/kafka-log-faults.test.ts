/** The log on three brokers, one of which is killed or falls silent; a group whose members come and go; and a broker that nobody reaches. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TOPICS, type Topic } from '#contracts';
import { fixTopics, openKafkaLog, type Batch, type Consumer, type EventLog, type Position } from '../../event-log/index.ts';
import { freePort } from '../free-port.ts';
import { startKafka, kafkaIsMissing, type KafkaCluster } from './kafka.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

const missing = await kafkaIsMissing();
const { events, outcomes, controls } = TOPICS;
const PARTITIONS = 6;

/** The last suite's broker starts beside those of the first. */
const startBehindProxy = async (): Promise<{ readonly proxy: TcpProxy; readonly kafka: KafkaCluster }> => {
  const port = await freePort();
  const proxy = await startTcpProxy({ target: port });
  return { proxy, kafka: await startKafka({ ports: [port], advertised: [proxy.port] }) };
};
let behindProxy: ReturnType<typeof startBehindProxy> | undefined;

/** What a client was told is durable. */
interface Acknowledged {
  readonly text: string;
  readonly position: Position;
}

describe.skipIf(missing !== null)(`three brokers (${missing ?? 'here'})`, { timeout: 240_000 }, () => {
  let kafka: KafkaCluster;
  let prefixes = 0;

  beforeAll(async () => {
    behindProxy = startBehindProxy();
    [kafka] = await Promise.all([startKafka({ brokers: 3, heapMb: 256 }), behindProxy]);
  }, 240_000);
  afterAll(() => kafka.stop());

  const prepare = async (): Promise<() => Promise<EventLog>> => {
    const connection = { brokers: kafka.brokers, requestTimeoutMs: 3_000 };
    const topicPrefix = `f${(prefixes += 1)}.`;
    const { problems } = await fixTopics({
      connection,
      topicPrefix,
      partitions: PARTITIONS,
      replicationFactor: 3,
      nowMs: Date.now(),
      epoch: 7,
    });
    expect(problems).toEqual([]);
    return () => openKafkaLog({ connection, topicPrefix, sessionTimeoutMs: 6_000, heartbeatMs: 300, appendTimeoutMs: 30_000 });
  };

  /** A small steady load until it is stopped; remembers what was acknowledged, and the longest time without. */
  const startLoad = (log: EventLog) => {
    const acknowledged: Acknowledged[] = [];
    const inHand = new Set<Promise<void>>();
    const refused: unknown[] = [];
    const ended = new AbortController();
    let lastMs = performance.now();
    let longestGapMs = 0;
    const one = async (turn: number): Promise<void> => {
      const topic: Topic = turn % 3 === 0 ? outcomes : events;
      const text = `${turn}`;
      try {
        const [position] = await log.append([{ topic, shard: turn % 0xffff, value: Buffer.from(text) }]);
        acknowledged.push({ text, position: position! });
        longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
        lastMs = performance.now();
      } catch (error) {
        refused.push(error);
      }
    };
    const running = (async () => {
      for (let turn = 0; !ended.signal.aborted; turn += 1) {
        const appending = one(turn).finally(() => inHand.delete(appending));
        inHand.add(appending);
        await delay(10);
      }
      await Promise.all(inHand);
    })();
    return {
      acknowledged,
      refused,
      longestGapMs: () => longestGapMs,
      async stop() {
        ended.abort();
        await running;
      },
    };
  };

  /** Every acknowledged record is where it was said to be. */
  const expectAllRead = async (log: EventLog, acknowledged: readonly Acknowledged[]): Promise<void> => {
    const found = new Map<string, string>();
    for (const topic of [events, outcomes])
      for (let partition = 0; partition < PARTITIONS; partition += 1)
        for (const { offset, value } of await log.read(topic, partition, 0, 100_000))
          found.set(`${topic}/${partition}/${offset}`, String(value));
    const lost = acknowledged.filter(
      ({ text, position: { topic, partition, offset } }) => found.get(`${topic}/${partition}/${offset}`) !== text,
    );
    expect(lost).toEqual([]);
  };

  const collector = () => {
    const texts: string[] = [];
    const onBatch = async ({ records }: Batch): Promise<void> => void texts.push(...records.map(({ value }) => String(value)));
    return { texts, onBatch };
  };

  test.for([
    ['a broker is killed and comes back', async () => kafka.kill(0), async () => kafka.start(0)],
    ['a broker falls silent and comes back', async () => kafka.pause(1), async () => kafka.resume(1)],
  ] as const)('nothing acknowledged is lost, and all of it is delivered, when %s', async ([name, begin, end]) => {
    const open = await prepare();
    const [log, other] = await Promise.all([open(), open()]);
    const { texts, onBatch } = collector();
    const consumer = other.consume({ group: 'g', topics: [events, outcomes], onBatch });
    const load = startLoad(log);
    await vi.waitFor(() => expect(texts.length).toBeGreaterThan(50), { timeout: 40_000, interval: 100 });
    await begin();
    const before = load.acknowledged.length;
    await vi.waitFor(() => expect(load.acknowledged.length).toBeGreaterThan(before + 300), { timeout: 60_000, interval: 100 });
    await end();
    await delay(1_500);
    await load.stop();
    const reached = new Set<string>();
    await vi.waitFor(
      () => {
        for (const text of texts) reached.add(text);
        expect(load.acknowledged.filter(({ text }) => !reached.has(text))).toEqual([]);
      },
      { timeout: 60_000, interval: 200 },
    );
    await expectAllRead(log, load.acknowledged);
    console.log(
      JSON.stringify({
        fault: name,
        acknowledged: load.acknowledged.length,
        refused: load.refused.length,
        redelivered: texts.length - reached.size,
        longestWithoutAcknowledgementMs: Math.round(load.longestGapMs()),
      }),
    );
    await consumer.stop();
    await Promise.all([log.close(), other.close()]);
  });

  test('members come and go: every record reaches one, no number is worked on by two at once, and commits never fall', async () => {
    const open = await prepare();
    const logs = await Promise.all([open(), open(), open()]);
    const load = startLoad(logs[0]);
    const texts: string[] = [];
    const atWork = new Map<number, number>();
    let overlaps = 0;
    const onBatch = async ({ partition, records }: Batch): Promise<void> => {
      const others = atWork.get(partition) ?? 0;
      if (others > 0) overlaps += 1;
      atWork.set(partition, others + 1);
      await delay(20);
      texts.push(...records.map(({ value }) => String(value)));
      atWork.set(partition, atWork.get(partition)! - 1);
    };
    const join = (log: EventLog): Consumer => log.consume({ group: 'storm', topics: [events, outcomes], maxRecords: 20, onBatch });

    const highest = new Map<string, number>();
    let fallen = 0;
    const watched = new AbortController();
    const watching = (async () => {
      for (; !watched.signal.aborted; await delay(100))
        for (const topic of [events, outcomes])
          for (let partition = 0; partition < PARTITIONS; partition += 1) {
            const committed = (await logs[2].committed('storm', topic, partition)) ?? 0;
            if (committed < (highest.get(`${topic}/${partition}`) ?? 0)) fallen += 1;
            highest.set(`${topic}/${partition}`, Math.max(committed, highest.get(`${topic}/${partition}`) ?? 0));
          }
    })();

    const steady = join(logs[0]);
    for (let round = 0; round < 5; round += 1) {
      const members = [join(logs[1]), join(logs[2])];
      await delay(1_500);
      await Promise.all(members.map((member) => member.stop()));
      await delay(300);
    }
    await load.stop();
    await vi.waitFor(async () => expect(await logs[0].lag('storm', [events, outcomes])).toBe(0), { timeout: 60_000, interval: 200 });
    watched.abort();
    await watching;
    const reached = new Set(texts);
    expect(load.acknowledged.filter(({ text }) => !reached.has(text))).toEqual([]);
    expect({ overlaps, fallen }).toEqual({ overlaps: 0, fallen: 0 });
    console.log(JSON.stringify({ fault: 'rebalance storm', delivered: reached.size, redelivered: texts.length - reached.size }));
    await steady.stop();
    await Promise.all(logs.map((log) => log.close()));
  });
});

describe.skipIf(missing !== null)(`a broker that nobody reaches (${missing ?? 'here'})`, { timeout: 120_000 }, () => {
  let proxy: TcpProxy;
  let kafka: KafkaCluster;

  beforeAll(async () => {
    ({ proxy, kafka } = await (behindProxy ??= startBehindProxy()));
  }, 120_000);
  afterAll(async () => {
    await kafka.stop();
    await proxy.stop();
  });

  test.for([
    ['its request is on its way', 500],
    ['the leader is looked for', 1_500],
  ] as const)('an append that was refused while %s is not written later, over what is newer', async ([name, appendTimeoutMs]) => {
    const connection = { brokers: kafka.brokers, connectTimeoutMs: 1_000, requestTimeoutMs: 1_000 };
    const topicPrefix = `${name.replaceAll(' ', '-')}.`;
    await fixTopics({ connection, topicPrefix, partitions: 1, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
    const open = (): Promise<EventLog> => openKafkaLog({ connection, topicPrefix, appendTimeoutMs });
    const [log, other] = await Promise.all([open(), open()]);
    const append = (to: EventLog, text: string) =>
      to.append([{ topic: controls, shard: 0, key: Buffer.from('k'), value: Buffer.from(text) }]);
    await append(log, '1');
    proxy.delay(Infinity);
    await expect(append(log, '2')).rejects.toMatchObject({ code: 'event-log.unavailable' });
    proxy.delay(0);
    proxy.cut();
    await vi.waitFor(() => append(other, '3'), { timeout: 20_000, interval: 500 });
    await delay(4_000);
    await append(log, '4');
    const texts = (await other.read(controls, 0, 0, 10)).map(({ value }) => String(value));
    expect(texts.filter((text, index) => text !== texts[index - 1])).toEqual(['1', '3', '4']);
    await Promise.all([log.close(), other.close()]);
  });
});
