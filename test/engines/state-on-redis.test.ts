/** The same log folded into Redis, into a Redis Cluster and into LMDB gives the same customers, links and timers, byte for byte. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOUR_MS, TOPICS, customerKeyToBytes, erasureCodec, shardOf } from '#contracts';
import { openRedisFeatureStore, type FeatureStore } from '#feature-store';
import { createStateRole, type StateRole } from '../../pipeline/state/state-role.ts';
import { PARTITIONS, START_MS, aDecision, anEvent, anOutcome, customerKey, openWorld, type World } from '../../pipeline/test-world.ts';
import { withEngine } from './with-engine.ts';

const CUSTOMERS = Array.from({ length: 30 }, (_, i) => `c-${i}`);

let world: World;
let total = 0;
let expected: Stored;
/** After the windows of three days have closed for some decisions, not for all. */
const NOW_MS = START_MS + 80 * HOUR_MS;

interface Stored {
  readonly values: Readonly<Record<string, string>>;
  readonly timers: readonly string[];
}

const storedIn = async (store: FeatureStore): Promise<Stored> => {
  const values: Record<string, string> = {};
  const timers: string[] = [];
  for await (const { key, value } of store.states.scan()) values[key.toString('hex')] = value.toString('hex');
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const { key, shard, dueMs } of await store.timers.due(partition, NOW_MS * 2, 10_000))
      timers.push(`${dueMs} ${shard} ${key.toString('hex')}`);
  }
  return { values, timers: timers.toSorted() };
};

/** Of its timers none fires, so that all stores fold the same records. */
const roleOn = (store: FeatureStore, group: string): StateRole =>
  createStateRole({
    log: world.log,
    store,
    project: world.project,
    group,
    clock: () => START_MS,
    logger: { info() {}, warn() {}, error() {} },
    silent: true,
    maxRecords: 50,
  });

/** The whole log. */
const fold = async (store: FeatureStore, group: string): Promise<Stored> => {
  const role = roleOn(store, group);
  await role.start();
  await eventually(async () => role.counters.records >= total);
  await role.stop();
  return storedIn(store);
};

const eventually = async (holds: () => Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 60_000; !(await holds());) {
    if (Date.now() > end) throw new Error('it did not come to hold within a minute');
    await delay(50);
  }
};

const prepare = async (): Promise<void> => {
  total = 0;
  world = await openWorld();
  for (let day = 0; day < 3; day++) {
    for (const [c, customer] of CUSTOMERS.entries()) {
      const atMs = START_MS + day * 24 * HOUR_MS + c * 1_000;
      const records = [
        anEvent(customer, `e${day}`, 'usage.recorded', { dataMb: 10 * day + c, voiceMin: c, roaming: c % 3 === 0 }, atMs),
        ...(c % 4 === 0 ? [anOutcome(customer, day, 'offer-fiber', 'clicked', { decidedAt: atMs })] : []),
        aDecision(customer, day, 'offer-fiber', { decidedAt: atMs }),
        ...(c % 4 === 1 ? [anOutcome(customer, day, 'offer-fiber', 'accepted', { decidedAt: atMs })] : []),
        ...(c % 4 === 2 ? [anOutcome(customer, 100 + day, 'offer-fiber', 'accepted', { decidedAt: atMs })] : []),
      ];
      total += records.length;
      await world.log.append(records);
    }
  }
  expected = await fold(world.store, 'lmdb');
};

/** The customer's state and the links of their decisions go, wherever the shard had put them. */
const erase = async (store: FeatureStore, group: string, customer: string): Promise<void> => {
  const key = customerKeyToBytes(customerKey(customer));
  const shard = shardOf(customer);
  const links = Object.keys(expected.values).filter((id) => expected.values[id] === `81${key.toString('hex')}`);
  expect(links).toHaveLength(3);
  const places = [key, ...links.map((id) => Buffer.from(id, 'hex'))].map((at) => ({ key: at, shard }));
  expect(await store.states.readMany(places)).not.toContain(null);
  const role = roleOn(store, group);
  await role.start();
  const value = erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard });
  await world.log.append([{ topic: TOPICS.erasures, shard, key, value }]);
  await eventually(async () => (await store.states.readMany(places)).every((there) => there === null));
  await role.stop();
};

const suite = (name: string, url: string): void => {
  describe(`state on ${name}`, () => {
    beforeAll(prepare);
    afterAll(() => world.close());

    test('is what it is on LMDB', async () => {
      const prefix = `${randomBytes(4).toString('hex')}:`;
      const store = await openRedisFeatureStore({ url, partitions: PARTITIONS, prefix, readTimeoutMs: 2_000 });
      try {
        const got = await fold(store, name);
        expect(Object.keys(expected.values).length).toBeGreaterThan(100);
        expect(got).toEqual(expected);
        // Serving's way to a state: the shard of the id, nothing else.
        for (const customer of CUSTOMERS) {
          const value = await store.states.read(customerKeyToBytes(customerKey(customer)), shardOf(customer));
          expect(value).not.toBeNull();
        }
        await erase(store, name, 'c-3');
      } finally {
        await store.close();
        for (const node of url.split(',')) await deleteAll(node, prefix);
      }
    });
  });
};

const deleteAll = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  for (const key of await redis.keysBuffer(`${prefix}*`)) await redis.del(key);
  redis.disconnect();
};

withEngine('redis', (url) => suite('redis', url));
withEngine('redisCluster', (url) => suite('redis cluster', url));
