/** Redis as the configuration names it. */
import type { RedisFeatureStoreOptions } from '#feature-store';
import type { RedisConfig } from './config.ts';

export const redisOptions = ({ urls, prefix, ca }: RedisConfig): Omit<RedisFeatureStoreOptions, 'partitions'> => ({
  url: urls.join(','),
  ...(prefix === null ? {} : { prefix }),
  ...(ca === null ? {} : { caFile: ca }),
});
