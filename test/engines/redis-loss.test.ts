/** A Redis that forgets what it acknowledged, as a crash between two writes to the disk makes it: nothing is built on what is gone. */
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { EngineUnavailable } from '#contracts';
import { checkRedis, openRedisFeatureStore, type FeatureStore, type StateCommit } from '#feature-store';
import { redisIsMissing, startRedis, type RedisUnderTest } from './redis.ts';
import { startTcpProxy } from './tcp-proxy.ts';

const missing = await redisIsMissing();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const start = async (masters: number): Promise<RedisUnderTest> => {
  const redis = await startRedis({ masters });
  open.push({ close: () => redis.stop() });
  return redis;
};
const openStore = async (url: string): Promise<FeatureStore> => {
  const store = await openRedisFeatureStore({ url, partitions: 4, readTimeoutMs: 500 });
  open.push(store);
  return store;
};

const keyOf = (n: number): Buffer => Buffer.alloc(16, n);
const valueOf = (n: number, version: number): Buffer => Buffer.from([0, 0, 0, version, n, ...Buffer.alloc(200, n)]);
const step = (n: number, version: number): StateCommit => ({
  key: keyOf(n),
  shard: n * 257,
  value: valueOf(n, version),
  expected: version === 1 ? null : Buffer.from([0, 0, 0, version - 1]),
  companions: [],
  timer: { from: version === 1 ? null : version - 1, to: version },
});
const everyone = Array.from({ length: 60 }, (_, n) => n + 1);
const places = everyone.map((n) => ({ key: keyOf(n), shard: n * 257 }));

const eventually = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 30_000; !(await holds());) {
    if (Date.now() > end) throw new Error('it did not come to hold within 30 s');
    await delay(20);
  }
};

/** The last acknowledged commits never reached the disk. */
const cutFile = (dir: string, index: number, bytes: number): void => {
  const folder = join(dir, `aof-${index}`);
  const file = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.incr.aof'))!,
  );
  truncateSync(file, statSync(file).size - bytes);
};

const whenWritable = async (store: FeatureStore): Promise<void> =>
  eventually(() =>
    store.states.readMany(places).then(
      () => true,
      () => false,
    ),
  );

describe.skipIf(missing !== null).each([1, 3])('of %i masters, one that is killed and has lost its last bytes', (masters) => {
  test('is told of before anything is read or committed again, and what was committed in that moment is not acknowledged', async () => {
    const redis = await start(masters);
    const store = await openStore(redis.url);
    await store.states.commit(everyone.map((n) => step(n, 1)));
    await delay(1_500);
    const told: string[] = [];
    let heal: (() => void) | undefined;
    store.onLoss(async () => {
      told.push('lost');
      await expect(store.states.commit([step(99, 1)])).rejects.toThrow(EngineUnavailable);
      await expect(store.states.readMany(places)).rejects.toThrow(EngineUnavailable);
      await expect(store.documents.due('note', 1, 1)).rejects.toThrow(EngineUnavailable);
      await expect(store.reservations.reserve('cap', keyOf(1), { nowMs: 1, untilMs: 2, max: 1 })).rejects.toThrow(EngineUnavailable);
      await new Promise<void>((resolve) => (heal = resolve));
      told.push('made good');
    });
    expect(await store.states.commit(everyone.map((n) => step(n, 2)))).toEqual(everyone.map(() => 'committed'));

    await redis.kill(0);
    cutFile(redis.dir, 0, 2_000);
    await expect(store.states.commit(everyone.map((n) => step(n, 3)))).rejects.toThrow(EngineUnavailable);
    await redis.start(0);
    await eventually(() => heal !== undefined);
    await expect(store.states.commit(everyone.map((n) => step(n, 3)))).rejects.toThrow(EngineUnavailable);
    // A decision takes what there is.
    expect(await store.states.read(keyOf(1), 257)).not.toBeNull();
    heal!();
    await whenWritable(store);
    expect(told).toEqual(['lost', 'made good']);

    const versions = (await store.states.readMany(places)).map((value) => value?.[3]);
    const lost = versions.filter((version) => version === 1).length;
    expect(lost).toBeGreaterThan(0);
    if (masters === 3) expect(versions.filter((version) => version !== 1).length).toBeGreaterThan(0);
    // From what is there everything can be done again, with the timers that belong to it.
    await store.states.commit(everyone.flatMap((n, i) => (versions[i] === 1 ? [step(n, 2)] : [])));
    const due = await Promise.all([0, 1, 2, 3].map((partition) => store.timers.due(partition, 10, 1_000)));
    // Masters that lived may have done what was not acknowledged.
    const steps = versions.map((version) => (version === 1 ? 2 : version!));
    const inOrder = (numbers: readonly number[]): number[] => numbers.toSorted((x, y) => x - y);
    expect(inOrder(due.flat().map(({ dueMs }) => dueMs))).toEqual(inOrder(steps));
    expect(steps.every((version) => version === 2 || version === 3)).toBe(true);
  });
});

describe.skipIf(missing !== null)('documents in a Redis that is killed and has lost its last bytes', () => {
  test('stand in their indexes as they are, wherever the file ends', async () => {
    const redis = await start(1);
    const store = await openStore(redis.url);
    const { documents } = store;
    const documentOf = (n: number, state: string) => ({
      id: `d${n}`,
      customerKey: keyOf(n),
      state,
      atMs: n,
      dueMs: n,
      body: Buffer.alloc(n),
    });
    for (const n of everyone) expect(await documents.put('note', documentOf(n, 'queued'), null)).toBe(1);
    await delay(1_500);
    for (const n of everyone) expect(await documents.put('note', documentOf(n, 'sent'), 1)).toBe(2);
    for (const bytes of [777, 1_500, 3_001]) {
      await redis.kill();
      cutFile(redis.dir, 0, bytes);
      await redis.start();
      await whenWritable(store);
      const each = await Promise.all(everyone.map((n) => documents.get('note', `d${n}`)));
      for (const state of ['queued', 'sent']) {
        const listed = await documents.list('note', { state, limit: 100 });
        expect(listed).toEqual({ documents: each.filter((document) => document!.state === state), total: listed.documents.length });
      }
      expect(await documents.due('note', 100, 100)).toEqual(each);
      expect((await documents.list('note', { customerKey: keyOf(60), limit: 9 })).documents).toEqual([each.at(-1)]);
      expect(each.at(-1)!.state).toBe('queued');
    }
    // What was lost is written again from the version that is there.
    expect(await documents.put('note', documentOf(60, 'sent'), 1)).toBe(2);
  });
});

describe.skipIf(missing !== null)('a connection that only broke', () => {
  test('is no loss: the same server remembers all it acknowledged', async () => {
    const redis = await start(1);
    const proxy = await startTcpProxy({ target: redis.ports[0]! });
    open.push({ close: () => proxy.stop() });
    const store = await openStore(`redis://127.0.0.1:${proxy.port}`);
    let losses = 0;
    store.onLoss(async () => void losses++);
    await store.states.commit(everyone.map((n) => step(n, 1)));
    proxy.cut();
    await delay(20);
    await whenWritable(store);
    expect(await store.states.commit(everyone.map((n) => step(n, 2)))).toEqual(everyone.map(() => 'committed'));
    expect(losses).toBe(0);
  });

  test('fails a read at once while there is none, and within its time when nothing answers', async () => {
    const redis = await start(1);
    const store = await openRedisFeatureStore({ url: redis.url, partitions: 4, readTimeoutMs: 30 });
    open.push(store);
    await store.states.commit([step(1, 1)]);
    const timed = async (): Promise<number> => {
      const begun = performance.now();
      await expect(store.states.read(keyOf(1), 257)).rejects.toThrow(EngineUnavailable);
      return performance.now() - begun;
    };
    redis.pause();
    for (let i = 0; i < 5; i++) expect(await timed()).toBeLessThan(300);
    redis.resume();
    const isReadable = async (): Promise<boolean> => (await store.states.read(keyOf(1), 257)) !== null;
    await eventually(() => isReadable().catch(() => false));
    await redis.kill();
    await delay(50);
    const away = await Promise.all(Array.from({ length: 50 }, timed));
    expect(Math.max(...away)).toBeLessThan(100);
    await redis.start();
    await whenWritable(store);
    expect(await store.states.read(keyOf(1), 257)).not.toBeNull();
  });
});

describe.skipIf(missing !== null)('what a check of Redis says', () => {
  test('a Redis that is made for it has no fault; of one that is not, each fault is named', async () => {
    const good = await start(1);
    const bad = await startRedis({ aof: false, args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
    open.push({ close: () => bad.stop() });
    expect((await checkRedis({ url: good.url })).filter(({ state }) => state !== 'ok')).toEqual([]);
    const faults = (await checkRedis({ url: bad.url })).filter(({ state }) => state === 'fault').map(({ text }) => text);
    expect(faults).toEqual([expect.stringContaining('appendonly yes'), expect.stringContaining('noeviction')]);
    const [nobody] = await checkRedis({ url: 'redis://127.0.0.1:1', openTimeoutMs: 300 });
    expect(nobody).toMatchObject({ state: 'fault', text: expect.stringContaining('127.0.0.1:1') });
  });
});
