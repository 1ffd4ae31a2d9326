/** The one place that chooses engines: the configuration's presence of a server decides, else the embedded ones open. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { AttuneError, DAY_MS } from '#contracts';
import { openKafkaLog, openLmdbLog, openOutboxLog } from '#event-log';
import type { EventLog, Outbox, OutboxLogger } from '#event-log';
import { openLateFeatureStore, openLmdbFeatureStore, openRedisFeatureStore, REDIS_MAY_LOSE_MS } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import type { Config } from './config.ts';
import { agreeOnIdKey, openIdKey } from './id-key.ts';
import { kafkaLogOptions } from './kafka.ts';
import { redisOptions } from './redis.ts';

const EMBEDDED_PARTITIONS = 8;

export interface Stores<Log extends EventLog = EventLog> {
  readonly log: Log;
  readonly store: FeatureStore;
  close(): Promise<void>;
}

/** Rejects with EngineUnavailable while an engine does not answer, with `event-log.not-prepared` where Kafka has no topics of ours yet. */
export const openStores = (config: Config): Promise<Stores> =>
  openWith(
    config,
    () => openLog(config),
    (log) => openStore(config, log),
  );

/** For a process that can do nothing until its engines answer: tries again until they do. */
export const awaitStores = async (config: Config, logger: OutboxLogger): Promise<Stores> => {
  for (let waitMs = 500; ; waitMs = Math.min(2 * waitMs, 5_000)) {
    try {
      return await openWith(
        config,
        () => openLog(config),
        (log) => openOwnStore(config, log),
      );
    } catch (error) {
      if (!(error instanceof AttuneError && (error.retriable || error.code === 'event-log.not-prepared'))) throw error;
      logger.warn(`${error.message} Trying again in ${waitMs} ms.`);
    }
    await delay(waitMs);
  }
};

/**
 * For the API: what it accepts while Kafka does not answer waits in the outbox, and a feature store that is away is opened when it comes.
 * @param onUnusable it came, and can never be used as we are configured
 */
export const openServingStores = (
  config: Config,
  logger: OutboxLogger,
  onUnusable: (error: AttuneError) => void,
): Promise<Stores<EventLog & { readonly outbox?: Outbox }>> =>
  openWith(
    config,
    () =>
      config.kafka === null
        ? openLog(config)
        : openOutboxLog({ openLog: () => openLog(config), ...config.outbox, keepMs: config.logRetentionDays * DAY_MS, logger }),
    (log) =>
      config.kafka === null && config.redis === null
        ? openOwnStore(config, log)
        : openLateFeatureStore({
            open: () => openOwnStore(config, log),
            mayLoseMs: config.redis === null ? 0 : REDIS_MAY_LOSE_MS,
            warn: (message) => logger.warn(message),
            onUnusable,
          }),
  );

const openWith = async <Log extends EventLog>(
  config: Config,
  open: () => Promise<Log>,
  openStoreBeside: (log: Log) => Promise<FeatureStore>,
): Promise<Stores<Log>> => {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const log = await open();
  try {
    const store = await openStoreBeside(log);
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

const openLog = (config: Config): Promise<EventLog> =>
  config.kafka === null
    ? openLmdbLog({ dir: join(config.dataDir, 'event-log'), partitions: EMBEDDED_PARTITIONS })
    : openKafkaLog(kafkaLogOptions(config.kafka));

const openStore = (config: Config, log: EventLog): Promise<FeatureStore> => {
  const { redis } = config;
  if (redis === null) return openLmdbFeatureStore({ dir: join(config.dataDir, 'feature-store'), partitions: log.partitions });
  const logger = pino({ level: config.logLevel, base: { engine: 'redis' } });
  const warn = (message: string): void => logger.warn(message);
  return openRedisFeatureStore({ ...redisOptions(redis), partitions: partitionsOf(log) ?? config.partitions, warn });
};

/** For whoever hashes customer ids; recovery goes without, because the key's file may be put back after it. */
const openOwnStore = async (config: Config, log: EventLog): Promise<FeatureStore> => {
  const store = await openStore(config, log);
  try {
    await agreeOnIdKey(store.blobs, openIdKey(config));
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
};

/** Null while the log was never reached: in Redis the keys do not depend on it, and the API asks for nothing by partition. */
const partitionsOf = (log: EventLog): number | null => {
  try {
    return log.partitions;
  } catch (error) {
    if (error instanceof AttuneError && error.retriable) return null;
    throw error;
  }
};
