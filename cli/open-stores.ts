/** The one place that chooses engines: the configuration's presence of a server decides, else the embedded ones open. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AttuneError } from '#contracts';
import { openLmdbLog } from '#event-log';
import type { EventLog } from '#event-log';
import { openLmdbFeatureStore } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import type { Config } from './config.ts';

const PARTITIONS = 8;

export interface Stores {
  readonly log: EventLog;
  readonly store: FeatureStore;
  close(): Promise<void>;
}

/** Throws `engine.unsupported` where the configuration asks for an engine that this version does not have. */
export const refuseUnsupportedEngines = (config: Config): void => {
  const asked = [
    config.kafka === null ? '' : 'KAFKA_BROKERS (Kafka as the event log)',
    config.redis === null ? '' : 'REDIS_URL (Redis as the feature store)',
  ].filter((text) => text !== '');
  if (asked.length === 0) return;
  throw new AttuneError(
    'engine.unsupported',
    `${asked.join(' and ')} is set, and this version has the embedded engines only; unset it to run on LMDB`,
  );
};

export const openStores = async (config: Config): Promise<Stores> => {
  refuseUnsupportedEngines(config);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const log = await openLmdbLog({ dir: join(config.dataDir, 'event-log'), partitions: PARTITIONS });
  try {
    const store = await openLmdbFeatureStore({ dir: join(config.dataDir, 'feature-store'), partitions: PARTITIONS });
    return {
      log,
      store,
      async close() {
        await store.close();
        await log.close();
      },
    };
  } catch (error) {
    await log.close();
    throw error;
  }
};
