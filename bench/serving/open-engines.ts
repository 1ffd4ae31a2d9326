/** The stores that a server of the benchmark works on: embedded, or Kafka behind the outbox and Redis, as `attune serve` opens them. */
import { openKafkaLog, openLmdbLog, openOutboxLog, type EventLog } from '#event-log';
import { openLmdbFeatureStore, openRedisFeatureStore, type FeatureStore } from '#feature-store';
import type { ServerStart } from './server-start.ts';

export const PARTITIONS = 8;

/** Where the floor finds the same bytes. */
export const floorKey = (customerKey: Buffer): Buffer => Buffer.concat([Buffer.from('floor:'), customerKey]);

export const openLog = async ({ logDir, engines }: ServerStart): Promise<EventLog> => {
  if (engines === null) return openLmdbLog({ dir: logDir, partitions: PARTITIONS });
  return openOutboxLog({
    openLog: () => openKafkaLog({ connection: { brokers: engines.brokers } }),
    dir: engines.outboxDir,
    maxBytes: 256e6,
  });
};

export const openStore = ({ storeDir, engines }: ServerStart): Promise<FeatureStore> =>
  engines === null
    ? openLmdbFeatureStore({ dir: storeDir, partitions: PARTITIONS })
    : openRedisFeatureStore({ url: engines.redisUrl, partitions: PARTITIONS });
