/** Redis: that it answers, and keeps what it is given. */
import { openRedisFeatureStore } from '#feature-store';
import type { RedisConfig } from '../config.ts';
import { redisOptions } from '../redis.ts';
import { check } from './finding.ts';
import type { Finding } from './finding.ts';

export const checkFeatureStore = async (redis: RedisConfig): Promise<readonly Finding[]> => [
  await check('Redis answers', async () => {
    const store = await openRedisFeatureStore({ ...redisOptions(redis), partitions: 1 });
    await store.close();
  }),
];
