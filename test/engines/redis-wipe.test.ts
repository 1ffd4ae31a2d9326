/** What an erasure deletes is in none of Redis' files afterwards. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openRedisFeatureStore, type StateCommit } from '#feature-store';
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

describe.skipIf(missing !== null)('an erasure', () => {
  test('leaves nothing of the customer in the append-only file, and the others in it', async () => {
    const redis = await startRedis();
    const store = await openRedisFeatureStore({ url: redis.url, partitions: 4, readTimeoutMs: 2_000 });
    try {
      await store.states.commit([1, 2].map((n) => step(n, {})));
      const holds = (text: string): boolean =>
        readdirSync(redis.dir, { recursive: true, withFileTypes: true }).some(
          (entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(text),
        );
      await expect.poll(() => holds('secret-name-1-'), { timeout: 10_000 }).toBe(true);
      await store.states.commit([step(1, { value: null, expected: Buffer.from('0000'), wipe: true })]);
      await expect.poll(() => holds('secret-name-1-'), { timeout: 20_000 }).toBe(false);
      await delay(100);
      expect(holds('secret-name-2-')).toBe(true);
    } finally {
      await store.close();
      await redis.stop();
    }
  });
});
