/**
 * Finds the engines of the tests: (1) what the environment names, (2) Docker by testcontainers, (3) what this machine can start, (4) nothing,
 * with the name of what is missing. `ATTUNE_TEST_ENGINES=required` turns (4) into a failure.
 */
import { kafkaIsMissing, startKafka } from './kafka.ts';
import { redisIsMissing, startRedis } from './redis.ts';

/** An engine, or why there is none. */
export type Found = { readonly url: string; readonly from: string } | { readonly url: null; readonly missing: string };

export interface Engines {
  /** host:port, separated by commas. */
  readonly kafka: Found;
  readonly redis: Found;
  /** redis:// of every master, separated by commas. */
  readonly redisCluster: Found;
  stop(): Promise<void>;
}

interface Opened {
  readonly found: Found;
  readonly stop: () => Promise<unknown>;
}

const nothing = async (): Promise<void> => {};

export const findEngines = async (): Promise<Engines> => {
  const docker = await dockerRuns();
  const opened = await Promise.all([openKafka(docker), openRedis(docker), openRedisCluster()]);
  const [kafka, redis, redisCluster] = opened.map(({ found }) => found) as [Found, Found, Found];
  const stop = async (): Promise<void> => void (await Promise.all(opened.map((each) => each.stop())));
  const missing = Object.entries({ kafka, redis, redisCluster }).flatMap(([name, found]) =>
    found.url === null ? [`${name}: ${found.missing}`] : [],
  );
  if (missing.length > 0 && process.env['ATTUNE_TEST_ENGINES'] === 'required') {
    await stop();
    throw new Error(`engines are required here (ATTUNE_TEST_ENGINES), and missing: ${missing.join('; ')}`);
  }
  return { kafka, redis, redisCluster, stop };
};

const openKafka = async (docker: boolean): Promise<Opened> => {
  const given = process.env['KAFKA_BROKERS'];
  if (given !== undefined && given !== '') return { found: { url: given, from: 'KAFKA_BROKERS' }, stop: nothing };
  if (docker) {
    const { KafkaContainer } = await import('@testcontainers/kafka');
    const container = await new KafkaContainer('apache/kafka-native:4.1.0').start();
    const url = `${container.getHost()}:${container.getMappedPort(9093)}`;
    return { found: { url, from: 'Docker' }, stop: () => container.stop() };
  }
  const missing = await kafkaIsMissing();
  if (missing !== null) return { found: { url: null, missing }, stop: nothing };
  const kafka = await startKafka();
  return { found: { url: kafka.brokers.join(','), from: 'this machine' }, stop: () => kafka.stop() };
};

const openRedis = async (docker: boolean): Promise<Opened> => {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && given !== '') return { found: { url: given, from: 'REDIS_URL' }, stop: nothing };
  if (docker) {
    const { RedisContainer } = await import('@testcontainers/redis');
    const container = await new RedisContainer('redis:7').start();
    return { found: { url: container.getConnectionUrl(), from: 'Docker' }, stop: () => container.stop() };
  }
  return openOwnRedis(1);
};

/** Testcontainers has no Redis Cluster: it is named, or this machine starts one. */
const openRedisCluster = async (): Promise<Opened> => {
  const given = process.env['REDIS_CLUSTER_URL'];
  if (given !== undefined && given !== '') return { found: { url: given, from: 'REDIS_CLUSTER_URL' }, stop: nothing };
  return openOwnRedis(3);
};

const openOwnRedis = async (masters: number): Promise<Opened> => {
  const missing = await redisIsMissing();
  if (missing !== null) return { found: { url: null, missing }, stop: nothing };
  const redis = await startRedis({ masters });
  return { found: { url: redis.url, from: 'this machine' }, stop: () => redis.stop() };
};

const dockerRuns = async (): Promise<boolean> => {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
};
