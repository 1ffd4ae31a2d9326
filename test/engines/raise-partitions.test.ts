/** The partitions of a log in use are raised: what lies where the former number put it hides nothing, and a rebuild is right or refused. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { STATE_INPUTS, TOPICS, customerKeyToBytes, erasureCodec, shardOf } from '#contracts';
import { fixTopics, openKafkaLog, raisePartitions, type EventLog } from '#event-log';
import { openRedisFeatureStore } from '#feature-store';
import { SILENT, createStateRole, rebuild, takeSnapshot } from '#pipeline';
import { contentOf } from '../../pipeline/rebuild/test-content.ts';
import { createTraffic } from '../../pipeline/rebuild/test-traffic.ts';
import { anEvent, customerKey, stateOf, telco, until } from '../../pipeline/test-world.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

const BEFORE = 2;
const AFTER = 6;

const drained = (log: EventLog): Promise<void> =>
  until(async () => (await log.lag('state', STATE_INPUTS)) + (await log.lag('state-erasures', [TOPICS.erasures])) === 0, 120_000);

const loseAll = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  const keys = await redis.keysBuffer(`${prefix}*`);
  await Promise.all(keys.map((key) => redis.del(key)));
  redis.disconnect();
};

/** In a partition of its own after the raise, and in another before. */
const customerIn = (partition: number): string =>
  Array.from({ length: 1_000 }, (_, n) => `c-${n}`).find((customer) => shardOf(customer) % AFTER === partition)!;

withEngine('kafka', (brokers) =>
  withEngine('redis', (url) => {
    test('customers go on, and what is rebuilt from a snapshot is the store that was', { timeout: 300_000 }, async () => {
      const connection = { brokers: brokers.split(',') };
      const topicPrefix = `t${randomUUID().slice(0, 8)}.`;
      const prefix = `${randomUUID().slice(0, 8)}:`;
      const root = mkdtempSync(join(tmpdir(), 'attune-raise-'));
      const topics = { connection, topicPrefix, replicationFactor: 1, nowMs: Date.now() };
      const open: { stop(): Promise<void> }[] = [];
      const start = async (partitions: number) => {
        const log = await openKafkaLog({ connection, topicPrefix });
        const store = await openRedisFeatureStore({ url, partitions, prefix, readTimeoutMs: 5_000 });
        const world = { log, store, project: telco(), personal: new Set<string>(), dir: root, close: async () => {} };
        const role = createStateRole({ ...world, clock: Date.now, logger: SILENT, timerPollMs: 100 });
        await role.start();
        const stop = async (): Promise<void> => {
          await role.stop();
          await store.close();
          await log.close();
        };
        open.push({ stop });
        return { ...world, role, stop };
      };
      try {
        await fixTopics({ ...topics, partitions: BEFORE, epoch: 7 });
        const before = await start(BEFORE);
        const traffic = createTraffic(before.log, { seed: 5, customers: 60 });
        await traffic.wave();
        await drained(before.log);
        await open.pop()!.stop();
        await raisePartitions({ ...topics, nowMs: Date.now(), partitions: AFTER, epoch: 8 });

        const after = await start(AFTER);
        const { log, store, role } = after;
        const later = createTraffic(log, { seed: 6, customers: 60 });
        await later.wave();
        // As a process appends that has not noticed: behind all that its customer's former partition holds.
        const customer = customerIn(5);
        const plan = (id: string, value: string, atMs: number) =>
          anEvent(customer, id, 'customer.updated', { plan: value }, atMs, Date.now());
        const nowMs = Date.now();
        await log.append([{ ...plan('late', 'premium', nowMs - 2_000), shard: shardOf(customer) % BEFORE }]);
        await drained(log);
        expect(role.counters.astray).toBe(1);
        await log.append([plan('next', 'family', nowMs - 1_000)]);
        await drained(log);
        expect((await stateOf(after, customer))!.attribute('plan')).toBe('family');

        const returns = customerIn(4);
        const key = customerKeyToBytes(customerKey(returns));
        const value = erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf(returns) });
        await log.append([{ topic: TOPICS.erasures, shard: shardOf(returns), key, value }]);
        await drained(log);
        await log.append([anEvent(returns, 'again', 'customer.updated', { plan: 'premium' }, Date.now(), Date.now())]);
        await drained(log);
        const snapshot = await takeSnapshot({ log, store, root, clock: Date.now });
        await later.wave();
        await drained(log);
        await role.stop();
        const atMs = Date.now();
        const expected = await contentOf(after, atMs);
        expect(Object.keys(expected)).toContain(`state ${customerKey(returns)}`);

        const rebuildFrom = (from: typeof snapshot | null) => rebuild({ ...after, logger: SILENT, snapshot: from, settleMs: 100 });
        await expect(rebuildFrom(null)).rejects.toMatchObject({ code: 'rebuild.raised' });
        await loseAll(url, prefix);
        await rebuildFrom(snapshot);
        expect(await contentOf(after, atMs)).toEqual(expected);
      } finally {
        for (const each of open) await each.stop();
        await loseAll(url, prefix);
        await deleteTopics(connection.brokers, topicPrefix);
        rmSync(root, { recursive: true });
      }
    });
  }),
);
