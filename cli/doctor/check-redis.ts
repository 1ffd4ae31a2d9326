/** Redis: that it answers, keeps what it is given, and was filled under our key. */
import { checkRedis, openRedisFeatureStore } from '#feature-store';
import type { RedisConfig } from '../config.ts';
import { faultOfIdKey } from '../id-key.ts';
import { redisOptions } from '../redis.ts';
import { fault, faultsOr, type Finding } from './finding.ts';

/** @param idKey null: none is given, which others tell */
export const checkFeatureStore = async (redis: RedisConfig, idKey: string | null): Promise<readonly Finding[]> => {
  const { urls, ca } = redis;
  const findings = await checkRedis({ url: urls.join(','), ...(ca === null ? {} : { caFile: ca }) });
  const told = findings.map(({ state, text }) => ({ state, text: text.startsWith('Redis') ? text : `Redis: ${text}` }));
  const isReached = findings.some(({ state }) => state === 'ok');
  return idKey === null || !isReached ? told : [...told, ...(await checkKeptIdKey(redis, idKey))];
};

const checkKeptIdKey = async (redis: RedisConfig, idKey: string): Promise<readonly Finding[]> => {
  try {
    const store = await openRedisFeatureStore({ ...redisOptions(redis), partitions: 1, openTimeoutMs: 5_000 });
    try {
      const problem = await faultOfIdKey(store.blobs, idKey);
      return faultsOr('Redis was filled under this ATTUNE_ID_KEY, or is empty', 'Redis', problem === null ? [] : [problem]);
    } finally {
      await store.close();
    }
  } catch (error) {
    return [fault(`Redis: ${(error as Error).message}`)];
  }
};
