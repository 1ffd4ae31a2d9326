/** What the store does when Redis' nodes go, come back elsewhere, or refuse what they are asked. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { EngineUnavailable } from '#contracts';
import { openRedisFeatureStore } from '#feature-store';
import { slotOf } from '../../feature-store/redis/buckets.ts';
import { createCommands, type Commands } from '../../feature-store/redis/commands.ts';
import { openNodes, type Nodes } from '../../feature-store/redis/nodes.ts';
import { parsePlace } from '../../feature-store/redis/addresses.ts';
import { redisIsMissing, startRedis, type RedisUnderTest } from './redis.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

const missing = await redisIsMissing();
const open: { close(): Promise<unknown> | void }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const start = async (masters: number): Promise<RedisUnderTest> => {
  const redis = await startRedis({ masters });
  open.push({ close: () => redis.stop() });
  return redis;
};
const proxyTo = async (target: number, port = 0): Promise<TcpProxy> => {
  const proxy = await startTcpProxy({ target, port });
  open.push({ close: () => proxy.stop().catch(() => undefined) });
  return proxy;
};

describe.skipIf(missing !== null)('a Redis Cluster', () => {
  test('whose nodes all have other addresses is found again by the address that was given', { timeout: 90_000 }, async () => {
    const before = await start(3);
    const seed = await proxyTo(before.ports[0]!);
    const store = await openRedisFeatureStore({ url: `redis://127.0.0.1:${seed.port}`, partitions: 4, readTimeoutMs: 500 });
    open.push(store);
    const places = Array.from({ length: 40 }, (_, n) => ({ key: Buffer.alloc(16, n), shard: n * 257 }));
    expect(await store.states.readMany(places)).toEqual(places.map(() => null));
    // Past the first refreshing, which lets go of what is no node of the cluster.
    seed.cut();
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    await seed.stop();
    for (const index of before.ports.keys()) await before.kill(index);
    const after = await start(3);
    await proxyTo(after.ports[1]!, seed.port);
    const read = (): Promise<unknown> => store.states.readMany(places).catch((error: Error) => error.message);
    await expect.poll(read, { timeout: 30_000, interval: 200 }).toEqual(places.map(() => null));
  });
});

describe.skipIf(missing !== null)('a scan of a Redis Cluster', () => {
  test('during which a slot moves rejects, so that nobody takes a part for the whole', { timeout: 60_000 }, async () => {
    const redis = await start(3);
    const store = await openRedisFeatureStore({ url: redis.url, partitions: 4, readTimeoutMs: 2_000 });
    open.push(store);
    const admins = redis.ports.map((port) => new Redis(port));
    open.push({ close: () => admins.forEach((admin) => admin.disconnect()) });
    const ids = await Promise.all(admins.map((admin) => admin.cluster('MYID')));
    const commits = Array.from({ length: 3_000 }, (_, n) => ({
      key: randomBytes(16),
      shard: n % 900,
      value: Buffer.alloc(8),
      expected: null,
      companions: [],
      timer: { from: null, to: null },
    }));
    await store.states.commit(commits);
    const full = new Set(Array.from({ length: 900 }, (_, bucket) => slotOf(bucket)));
    const ranges = (await admins[0]!.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
    const ownerOf = (slot: number): number => redis.ports.indexOf(ranges.find(([first, last]) => first <= slot && slot <= last)![2][1]);
    // Empty, so that it moves at once.
    const slot = Array.from({ length: 124 }, (_, n) => slotOf(900 + n)).find((each) => !full.has(each))!;
    const from = ownerOf(slot);
    const to = (from + 1) % 3;
    const count = async (meanwhile?: () => Promise<unknown>): Promise<number> => {
      const seen = new Set<string>();
      for await (const { key } of store.states.scan()) {
        if (seen.size === 0) await meanwhile?.();
        seen.add(key.toString('hex'));
      }
      return seen.size;
    };
    expect(await count()).toBe(3_000);
    const begin = async () => {
      await admins[to]!.cluster('SETSLOT', slot, 'IMPORTING', ids[from]!);
      await admins[from]!.cluster('SETSLOT', slot, 'MIGRATING', ids[to]!);
    };
    await expect(count(begin)).rejects.toMatchObject({ message: expect.stringMatching(/slots .* move/), retriable: true });
    await expect(count()).rejects.toThrow(/slots .* move/);
    await Promise.all([from, to].map((index) => admins[index]!.cluster('SETSLOT', slot, 'STABLE')));
    expect(await count()).toBe(3_000);
    const move = async () => {
      await begin();
      for (const index of [to, from, 3 - to - from]) await admins[index]!.cluster('SETSLOT', slot, 'NODE', ids[to]!);
    };
    await expect(count(move)).rejects.toThrow(/slots .* move/);
    expect(await count()).toBe(3_000);
  });
});

describe.skipIf(missing !== null)('what an error of Redis says', () => {
  const connect = async (masters = 1): Promise<{ redis: RedisUnderTest; nodes: Nodes; commands: Commands }> => {
    const redis = await start(masters);
    const limits = { readTimeoutMs: 2_000, silenceMs: 5_000, openTimeoutMs: 5_000 };
    const nodes = await openNodes({ place: parsePlace(redis.url), ...limits, onClose: () => {}, onMove: () => {} });
    open.push({ close: () => nodes.close() });
    return { redis, nodes, commands: createCommands(nodes) };
  };

  test('is its cause, not a fault of a connection that is well again', async () => {
    const { redis, nodes, commands } = await connect();
    const [node] = nodes.owners();
    const closed = new Promise<void>((resolve) => node!.fast.once('close', resolve));
    node!.fast.stream.destroy(new Error('read ECONNRESET'));
    await closed;
    expect(node!.fault(node!.fast)).toBe('read ECONNRESET');
    await expect.poll(() => node!.fast.status).toBe('ready');
    const admin = new Redis(redis.url);
    open.push({ close: () => admin.disconnect() });
    await admin.config('SET', 'maxmemory', '1');
    const set = { bucket: 0, run: 'SET', args: ['k', 'v'] };
    await expect(commands.all([set])).rejects.toThrow(/OOM/);
    await expect(commands.one(set)).rejects.toThrow(/OOM/);
    await redis.kill();
    await expect.poll(() => commands.one(set).catch((error: Error) => error.message)).toMatch(/ECONNREFUSED/);
  });

  test('names the node that said it, also where a script was not known there and then failed', async () => {
    const { nodes, commands } = await connect(3);
    const lua = "return redis.error_reply('ERR it failed')";
    const call = { bucket: 0, run: { script: { lua, sha: '0'.repeat(40) }, keys: 0 }, args: [] };
    await expect(commands.one(call)).rejects.toThrow(`Redis at ${nodes.of(0).name} did not do what was asked: ERR it failed`);
    await expect(commands.one(call)).rejects.toThrow(EngineUnavailable);
  });

  test('of a master that became a replica leads to a new connection, whatever the version of Redis says before', async () => {
    const { nodes } = await connect();
    const reconnects = nodes.owners()[0]!.bulk.options.reconnectOnError!;
    expect(reconnects(new Error("READONLY You can't write against a read only replica."))).toBe(true);
    const inScript = "ERR Error running script (call to f_0): @user_script:3: -READONLY You can't write against a read only replica.";
    expect(reconnects(new Error(inScript))).toBe(true);
    expect(reconnects(new Error('OOM command not allowed'))).toBe(false);
  });
});
