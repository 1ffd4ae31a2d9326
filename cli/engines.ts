/** Which engines the configuration chooses, in words that hold no secret. */
import type { Config } from './config.ts';

type EngineConfig = Pick<Config, 'kafka' | 'redis' | 'clickhouse'>;

/** Variables that chose a server; none: everything is embedded. */
export const variablesOfServers = ({ kafka, redis, clickhouse }: EngineConfig): readonly string[] => [
  ...(kafka === null ? [] : ['KAFKA_BROKERS']),
  ...(redis === null ? [] : ['REDIS_URL']),
  ...(clickhouse.url === null ? [] : ['CLICKHOUSE_URL']),
];

export const describeLog = ({ kafka }: EngineConfig): string =>
  `event log ${kafka === null ? 'embedded' : `Kafka ${kafka.brokers.join(',')}`}`;

export const describeStore = ({ redis }: EngineConfig): string =>
  `feature store ${redis === null ? 'embedded' : `Redis ${redis.urls.map(hostOf).join(',')}`}`;

export const describeWarehouse = ({ clickhouse: { url } }: EngineConfig): string =>
  `warehouse ${url === null ? 'embedded' : `ClickHouse ${hostOf(url)}`}`;

/** A URL may hold a password. */
const hostOf = (url: string): string => new URL(url).host;
