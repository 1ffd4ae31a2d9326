/** What an erasure deletes is in none of Redis' files afterwards. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Redis } from 'ioredis';
import { openRedisFeatureStore, type DocumentWrite, type StateCommit } from '#feature-store';
import { parsePlace } from '../../feature-store/redis/addresses.ts';
import { createCommands, type Commands } from '../../feature-store/redis/commands.ts';
import { createKeys } from '../../feature-store/redis/keys.ts';
import { openNodes } from '../../feature-store/redis/nodes.ts';
import { createWiper } from '../../feature-store/redis/wipe.ts';
import { redisIsMissing, startRedis } from './redis.ts';

const missing = await redisIsMissing();

const step = (n: number, over: Partial<StateCommit>): StateCommit => ({
  key: Buffer.alloc(16, n),
  shard: n,
  value: Buffer.from(`0000 secret-name-${n}-`),
  expected: null,
  companions: [],
  timer: { from: null, to: null },
  ...over,
});

const documentOf = (n: number, text: string): DocumentWrite => ({
  id: `d${n}`,
  customerKey: Buffer.alloc(16, n),
  state: 'sent',
  atMs: n,
  dueMs: null,
  body: Buffer.from(`${text}-${n}-`),
});

describe.skipIf(missing !== null)('an erasure', () => {
  test('leaves nothing of the customer in the append-only file, and the others in it', async () => {
    // What is compressed could be there unseen.
    const redis = await startRedis({ args: ['--rdbcompression', 'no'] });
    const store = await openRedisFeatureStore({ url: redis.url, partitions: 4, readTimeoutMs: 2_000 });
    try {
      await store.states.commit([1, 2].map((n) => step(n, {})));
      const { documents } = store;
      for (const n of [1, 2]) await documents.put('note', documentOf(n, 'secret-first'), null);
      for (const n of [1, 2]) await documents.put('note', documentOf(n, 'secret-second'), 1);
      const holds = (text: string): boolean =>
        readdirSync(redis.dir, { recursive: true, withFileTypes: true }).some(
          (entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(text),
        );
      await expect.poll(() => holds('secret-second-1-'), { timeout: 10_000 }).toBe(true);
      expect(await documents.forget(Buffer.alloc(16, 1))).toBe(1);
      await expect.poll(() => holds('secret-second-1-') || holds('secret-first-1-'), { timeout: 20_000 }).toBe(false);
      // Between two files for a moment.
      await expect.poll(() => holds('secret-second-2-') && holds('secret-name-1-'), { timeout: 5_000 }).toBe(true);
      await store.states.commit([step(1, { value: null, expected: Buffer.from('0000'), wipe: true })]);
      await expect.poll(() => holds('secret-name-1-'), { timeout: 20_000 }).toBe(false);
      await delay(100);
      expect(holds('secret-name-2-')).toBe(true);
    } finally {
      await store.close();
      await redis.stop();
    }
  });

  test('that comes while the marks of another are taken away has its own rewriting', async () => {
    const redis = await startRedis();
    const limits = { readTimeoutMs: 2_000, silenceMs: 5_000, openTimeoutMs: 5_000 };
    const nodes = await openNodes({ place: parsePlace(redis.url), ...limits, onClose: () => {}, onMove: () => {} });
    const admin = new Redis(redis.url);
    const keys = createKeys('attune:');
    const commands = createCommands(nodes);
    const rewritings = async (): Promise<number> =>
      Number(/cmdstat_bgrewriteaof:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0);
    let late = 0;
    const all: Commands['all'] = async (calls) => {
      // The first thing after the first rewriting takes its marks away.
      if (late === 0 && (await rewritings()) === 1) {
        late++;
        await admin.set(keys.wiped(1), 'late');
        wiper.soon();
      }
      return commands.all(calls);
    };
    const wiper = createWiper({ nodes, commands: { all }, keys, warn: () => {} });
    try {
      await admin.set(keys.wiped(1), 'first');
      await admin.set(keys.wiped(2), 'first');
      await wiper.resume();
      await expect.poll(rewritings, { timeout: 10_000 }).toBe(1);
      await expect.poll(() => admin.get(keys.wiped(2)), { timeout: 10_000 }).toBeNull();
      await expect.poll(rewritings, { timeout: 20_000 }).toBe(2);
      await expect.poll(() => admin.get(keys.wiped(1)), { timeout: 10_000 }).toBeNull();
      expect(late).toBe(1);
      await delay(1_500);
      expect(await rewritings()).toBe(2);
    } finally {
      wiper.close();
      nodes.close();
      admin.disconnect();
      await redis.stop();
    }
  });

  test('whose rewriting fails is told of, and tried again until it is done', async () => {
    const redis = await startRedis();
    const admin = new Redis(redis.url);
    const warnings: string[] = [];
    const store = await openRedisFeatureStore({ url: redis.url, partitions: 4, readTimeoutMs: 2_000, warn: (text) => warnings.push(text) });
    try {
      await admin.call('ACL', 'SETUSER', 'default', '-bgrewriteaof');
      await store.states.commit([step(1, {})]);
      await store.states.commit([step(1, { value: null, expected: Buffer.from('0000'), wipe: true })]);
      await expect.poll(() => warnings.length, { timeout: 10_000 }).toBeGreaterThan(0);
      expect(warnings[0]).toMatch(/still hold what was erased; again in 1 s: NOPERM/);
      const mark = createKeys('attune:').wiped(1);
      expect(await admin.exists(mark)).toBe(1);
      await admin.call('ACL', 'SETUSER', 'default', '+bgrewriteaof');
      await expect.poll(() => admin.exists(mark), { timeout: 20_000 }).toBe(0);
    } finally {
      admin.disconnect();
      await store.close();
      await redis.stop();
    }
  });
});
