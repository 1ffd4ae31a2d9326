/** The feature store's promises on a real Redis, and on a Redis Cluster of three masters. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { describeFeatureStoreContract } from '../../feature-store/contract-suite.ts';
import { openRedisFeatureStore, type FeatureStore } from '#feature-store';
import { withEngine } from './with-engine.ts';

const contract = (name: string, url: string): void =>
  describeFeatureStoreContract(name, async () => {
    const prefix = `${randomBytes(4).toString('hex')}:`;
    const opened: FeatureStore[] = [];
    return {
      open: async () => {
        const store = await openRedisFeatureStore({ url, partitions: 4, prefix, readTimeoutMs: 2_000 });
        opened.push(store);
        return store;
      },
      dispose: async () => {
        await Promise.all(opened.map((store) => store.close()));
        for (const node of url.split(',')) await deleteAll(node, prefix);
      },
    };
  });

const deleteAll = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  const keys = await redis.keysBuffer(`${prefix}*`);
  await Promise.all(keys.map((key) => redis.del(key)));
  redis.disconnect();
};

withEngine('redis', (url) => contract('redis', url));
withEngine('redisCluster', (url) => contract('redis cluster', url));
