/** Redis: that it answers, and keeps what it is given. */
import { checkRedis } from '#feature-store';
import type { RedisConfig } from '../config.ts';
import type { Finding } from './finding.ts';

export const checkFeatureStore = async ({ urls, ca }: RedisConfig): Promise<readonly Finding[]> => {
  const findings = await checkRedis({ url: urls.join(','), ...(ca === null ? {} : { caFile: ca }) });
  return findings.map(({ state, text }) => ({ state, text: text.startsWith('Redis') ? text : `Redis: ${text}` }));
};
