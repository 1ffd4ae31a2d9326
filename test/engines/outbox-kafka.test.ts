/** The outbox in front of a real Kafka: a broker that is stopped, killed and back; every acknowledged record is there, and counts once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TOPICS } from '#contracts';
import { fixTopics, openKafkaLog, openOutboxLog, type OutboxLog } from '#event-log';
import { kafkaIsMissing, startKafka, type KafkaCluster } from './kafka.ts';

const missing = await kafkaIsMissing();
const PARTITIONS = 4;

describe.skipIf(missing !== null)(`an outbox before Kafka${missing === null ? '' : ` (needs ${missing})`}`, () => {
  let kafka: KafkaCluster;
  let dir: string;
  let log: OutboxLog;
  /** Acknowledged, in the order of acknowledgement. */
  const ledger: string[] = [];
  const latenciesMs: number[] = [];
  let sent = 0;

  const open = (): Promise<OutboxLog> =>
    openOutboxLog({
      openLog: () => openKafkaLog({ connection: { brokers: kafka.brokers } }),
      dir: join(dir, 'outbox'),
      maxBytes: 200_000_000,
      patienceMs: 3_000,
    });

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'attune-outbox-kafka-'));
    kafka = await startKafka();
    const connection = { brokers: kafka.brokers };
    await fixTopics({ connection, partitions: PARTITIONS, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
    log = await open();
  }, 120_000);

  afterAll(async () => {
    await log.close();
    await kafka.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const accept = async (): Promise<void> => {
    const text = `${(sent += 1)}`;
    const began = performance.now();
    await log.accept([{ topic: TOPICS.events, shard: sent, value: Buffer.from(text.padEnd(1_000)) }]);
    latenciesMs.push(performance.now() - began);
    ledger.push(text);
  };

  /** A steady load for a while. */
  const load = async (ms: number): Promise<void> => {
    latenciesMs.length = 0;
    const inHand: Promise<void>[] = [];
    for (const end = performance.now() + ms; performance.now() < end;) {
      inHand.push(accept());
      await delay(5);
    }
    await Promise.all(inHand);
  };
  const slowestMs = (): number => Math.round(Math.max(...latenciesMs));

  const healed = async (): Promise<number> => {
    const began = performance.now();
    while (log.outbox.isInUse()) {
      if (performance.now() - began > 60_000) throw new Error(`the outbox did not drain: ${JSON.stringify(log.outbox.status())}`);
      await delay(10);
    }
    return Math.round(performance.now() - began);
  };

  const inLog = async (): Promise<string[]> => {
    const texts: string[] = [];
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      for (let offset = 0; ;) {
        const records = await log.read(TOPICS.events, partition, offset, 5_000);
        if (records.length === 0) break;
        texts.push(...records.map(({ value }) => value.toString().trim()));
        offset = records.at(-1)!.offset + 1;
      }
    }
    return texts;
  };

  test('nothing is written to the disk while Kafka answers', async () => {
    // A broker that has just started, on a busy machine, may answer late: then it is asked again when all has arrived.
    for (let left = 4; left > 0; left--) {
      await load(1_000);
      if (!log.outbox.isInUse() || left === 1) break;
      console.log(`the broker was late: ${log.outbox.status().records} records waited; drained after ${await healed()} ms`);
    }
    expect(log.outbox.status()).toMatchObject({ circuit: 'closed', records: 0, full: 0 });
  });

  test('a broker that is stopped for a while: everything is acknowledged, and in the log once it goes on', async () => {
    kafka.pause(0);
    await load(3_000);
    expect(log.outbox.status().records).toBeGreaterThan(100);
    console.log(`stopped: slowest acknowledgement ${slowestMs()} ms, ${log.outbox.status().records} records wait`);
    kafka.resume(0);
    console.log(`stopped: drained ${await healed()} ms after it went on`);
    const stored = new Set(await inLog());
    expect(ledger.filter((text) => !stored.has(text))).toEqual([]);
  });

  test('a broker that is killed, under load, and started again', async () => {
    await kafka.kill(0);
    await load(4_000);
    console.log(`killed: slowest acknowledgement ${slowestMs()} ms, ${log.outbox.status().records} records wait`);
    expect(log.outbox.status().records).toBeGreaterThan(100);
    await kafka.start(0);
    console.log(`killed: drained ${await healed()} ms after it took connections`);
    const stored = await inLog();
    const inIt = new Set(stored);
    expect(ledger.filter((text) => !inIt.has(text))).toEqual([]);
    console.log(`${ledger.length} acknowledged, ${stored.length - inIt.size} in the log twice`);
  });

  test('a process that starts while no broker is there goes on, and its records follow when one is', async () => {
    await log.close();
    await kafka.kill(0);
    const began = performance.now();
    log = await open();
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(log.partitions).toBe(PARTITIONS);
    await load(1_000);
    await kafka.start(0);
    console.log(`started without: drained ${await healed()} ms after the broker took connections`);
    const stored = new Set(await inLog());
    expect(ledger.filter((text) => !stored.has(text))).toEqual([]);
    await load(500);
    expect(log.outbox.status().circuit).toBe('closed');
  });
});
