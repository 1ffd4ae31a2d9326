/** The law of rebuilding on Kafka and Redis: a lost store is made anew from a snapshot and the log, and is the store that was. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { fixTopics, openKafkaLog, type EventLog } from '#event-log';
import { openRedisFeatureStore, type FeatureStore } from '#feature-store';
import { STATE_INPUTS, TOPICS } from '#contracts';
import { SILENT, createStateRole, rebuild, takeSnapshot } from '#pipeline';
import { contentOf } from '../../pipeline/rebuild/test-content.ts';
import { createTraffic } from '../../pipeline/rebuild/test-traffic.ts';
import { readTopic, telco, until } from '../../pipeline/test-world.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

const PARTITIONS = 3;

const drained = (log: EventLog): Promise<void> =>
  until(async () => (await log.lag('state', STATE_INPUTS)) + (await log.lag('state-erasures', [TOPICS.erasures])) === 0, 120_000);

const loseAll = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  const keys = await redis.keysBuffer(`${prefix}*`);
  await Promise.all(keys.map((key) => redis.del(key)));
  redis.disconnect();
};

withEngine('kafka', (brokers) =>
  withEngine('redis', (url) => {
    test('what Redis lost comes back', { timeout: 300_000 }, async () => {
      const connection = { brokers: brokers.split(',') };
      const topicPrefix = `t${randomUUID().slice(0, 8)}.`;
      const prefix = `${randomUUID().slice(0, 8)}:`;
      const dir = mkdtempSync(join(tmpdir(), 'attune-rebuild-engines-'));
      await fixTopics({ connection, topicPrefix, partitions: PARTITIONS, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
      const log = await openKafkaLog({ connection, topicPrefix });
      const store: FeatureStore = await openRedisFeatureStore({ url, partitions: PARTITIONS, prefix, readTimeoutMs: 5_000 });
      const world = { log, store, project: telco() };
      const role = createStateRole({ ...world, clock: Date.now, logger: SILENT, timerPollMs: 100 });
      try {
        await role.start();
        const traffic = createTraffic(log, { seed: 5, customers: 120 });
        await traffic.wave();
        await traffic.wave();
        await drained(log);
        const [snapshot] = await Promise.all([
          takeSnapshot({ log, store, root: dir, clock: Date.now }),
          traffic.wave().then(() => traffic.erase()),
        ]);
        await traffic.wave();
        await drained(log);
        await role.stop();
        const atMs = Date.now();
        const expected = await contentOf(world, atMs);
        const rewards = (await readTopic(log, TOPICS.rewards)).length;
        expect(Object.keys(expected).length).toBeGreaterThan(150);

        await loseAll(url, prefix);
        const { restored, replayed } = await rebuild({ ...world, logger: SILENT, snapshot, settleMs: 100 });
        expect(restored).toBeGreaterThan(80);
        expect(replayed).toBeGreaterThan(80);
        expect(await contentOf(world, atMs)).toEqual(expected);
        await loseAll(url, prefix);
        await rebuild({ ...world, logger: SILENT, snapshot: null, settleMs: 100 });
        expect(await contentOf(world, atMs)).toEqual(expected);
        expect((await readTopic(log, TOPICS.rewards)).length).toBe(rewards);
      } finally {
        await role.stop();
        await store.close();
        await log.close();
        await loseAll(url, prefix);
        await deleteTopics(connection.brokers, topicPrefix);
        rmSync(dir, { recursive: true });
      }
    });
  }),
);
