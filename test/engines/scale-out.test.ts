/**
 * Scale-out on Kafka, Redis and ClickHouse's HTTP interface: pipelines come and are killed under load, and all is counted as one process
 * counts it. Times are printed, not judged: four processes and three engines share whatever machine this is (learner-processes.test.ts
 * holds the learner to twice its lease).
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { STATE_INPUTS, TOPICS, customerKeyToBytes, decisionIdFromBytes, modelCodec, rewardCodec, shardOf } from '#contracts';
import type { ModelRecord, Reward } from '#contracts';
import { compileCatalog } from '#decisioning';
import { fixTopics, openKafkaLog } from '#event-log';
import type { EventLog, Follower } from '#event-log';
import { decodeState, describeState, openLmdbFeatureStore, openRedisFeatureStore } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import { SILENT, createStateRole } from '#pipeline';
import { loadProject } from '#project';
import { WRITER, openWarehouse, startEmbeddedServer } from '#warehouse';
import type { EmbeddedServer, Warehouse } from '#warehouse';
import { customerKey, decisionId, readTopic, telco } from '../../pipeline/test-world.ts';
import { traffic } from '../learners/traffic.ts';
import type { Traffic } from '../learners/traffic.ts';
import { learnerHomes, startPipeline } from '../learners/pipelines.ts';
import type { PipelineProcess } from '../learners/pipelines.ts';
import { learnInOneGo } from '../learners/reference.ts';
import { differenceOf, statisticsOfHome } from '../learners/statistics.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

const PARTITIONS = 6;
const scaleOut = (kafkaUrl: string, redisUrl: string): void => {
  const connection = { brokers: kafkaUrl.split(',') };
  const topicPrefix = `s${randomBytes(4).toString('hex')}.`;
  const prefix = `${randomBytes(4).toString('hex')}:`;
  const scratch = mkdtempSync(join(tmpdir(), 'attune-scale-out-'));
  const running = new Map<string, PipelineProcess>();
  const heard: { readonly record: ModelRecord; readonly atMs: number }[] = [];
  const took: Record<string, number> = {};
  let log: EventLog;
  let store: FeatureStore;
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  let follower: Follower;
  let load: Traffic;

  beforeAll(async () => {
    await fixTopics({ connection, topicPrefix, partitions: PARTITIONS, replicationFactor: 1, nowMs: Date.now(), epoch: 11 });
    log = await openKafkaLog({ connection, topicPrefix });
    store = await openRedisFeatureStore({ url: redisUrl, prefix, partitions: PARTITIONS, readTimeoutMs: 2_000 });
    server = await startEmbeddedServer({ dir: join(scratch, 'warehouse') });
    warehouse = openWarehouse({ url: server.url, username: WRITER, password: server.users[WRITER], database: 'attune' });
    follower = log.follow([TOPICS.models], ({ value, key }) => {
      const record = modelCodec.decode(value);
      if (record.snapshot > 0 && key?.toString() === `/${record.version}`) heard.push({ record, atMs: performance.now() });
    });
  }, 120_000);
  afterAll(async () => {
    await load?.stop();
    for (const child of running.values()) await child.kill();
    await follower?.stop();
    await warehouse?.close();
    await server?.stop();
    await store?.close();
    await log?.close();
    await deleteTopics(connection.brokers, topicPrefix);
    await deleteKeys(redisUrl, prefix);
    rmSync(scratch, { recursive: true, force: true });
  }, 120_000);

  const eventually = async (what: string, holds: () => Promise<boolean> | boolean, withinMs = 150_000): Promise<number> => {
    const startMs = performance.now();
    for (const endMs = startMs + withinMs; !(await holds()); await delay(50))
      if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs} ms; metrics ${await describeAll()}`);
    return performance.now() - startMs;
  };
  const numberOf = async (name: string, metric: string): Promise<number> =>
    (
      await running
        .get(name)!
        .metrics()
        .catch(() => new Map<string, number>())
    ).get(metric) ?? 0;
  const describeAll = async (): Promise<string> => {
    const wanted = [
      'attune_learn_experiences',
      'attune_learn_is_learner',
      'attune_learn_failures_total',
      'attune_state_events_total',
      'attune_state_failures_total',
    ];
    const lines = [];
    for (const name of running.keys())
      lines.push(`${name}: ${JSON.stringify(await Promise.all(wanted.map(async (metric) => [metric, await numberOf(name, metric)])))}`);
    return `${lines.join('; ')}; newest ${JSON.stringify(newest())}`;
  };
  const newest = (): ModelRecord | null =>
    heard.reduce<ModelRecord | null>((best, { record }) => (best === null || record.snapshot > best.snapshot ? record : best), null);
  const start = async (name: string): Promise<void> => {
    const env = {
      KAFKA_BROKERS: kafkaUrl,
      KAFKA_TOPIC_PREFIX: topicPrefix,
      REDIS_URL: redisUrl,
      REDIS_PREFIX: prefix,
      CLICKHOUSE_URL: server.url,
      CLICKHOUSE_USER: WRITER,
      CLICKHOUSE_PASSWORD: server.users[WRITER],
      ATTUNE_ID_KEY: 'an id key that is long enough for the test of scale-out',
    };
    running.set(name, await startPipeline({ dataDir: join(scratch, name), roles: 'state,learn,record', env }));
  };
  const learner = async (): Promise<string | null> => {
    const holder = await store.leases.holder('learner');
    for (const name of running.keys()) if (holder !== null && learnerHomes(join(scratch, name)).has(holder)) return name;
    return null;
  };
  const folds = (name: string): Promise<number> => numberOf(name, 'attune_state_events_total');

  describe('several pipelines', () => {
    test('come and go under load; states, rewards, statistics and rows are those of one process', { timeout: 900_000 }, async () => {
      await Promise.all([start('a'), start('b')]);
      load = traffic(log, 3);
      await eventually('both fold', async () => (await folds('a')) > 0 && (await folds('b')) > 0);
      await eventually('a snapshot is published', () => (newest()?.experiences ?? 0) > 20);

      const startedMs = performance.now();
      await start('c');
      await eventually('a third folds', async () => (await folds('c')) > 0);
      took['aThirdWorksAfterMs'] = performance.now() - startedMs;

      const dies = (await learner())!;
      const before = newest()!.snapshot;
      const killedMs = performance.now();
      await running.get(dies)!.kill();
      running.delete(dies);
      const probes = load.probe();
      const publishes = eventually('another publishes', () => newest()!.snapshot >= before + 1_000).then(
        () => heard.find(({ record }) => record.snapshot >= before + 1_000)!.atMs - killedMs,
      );
      await eventually('all partitions are worked on', async () => (await unseen(await probes)).length === 0);
      took['partitionsMovedAfterMs'] = performance.now() - killedMs;
      took['publishedAgainAfterMs'] = await publishes;
      expect(await learner()).not.toBe(dies);

      await start('d');
      await eventually('the new one folds', async () => (await folds('d')) > 0);
      await load.stop();
      await eventually('state has read all', async () => (await log.lag('state', STATE_INPUTS)) === 0);
      for (const name of running.keys())
        await eventually(`${name} has learned all`, async () => (await numberOf(name, 'attune_learn_experiences')) === load.decisions);
      await eventually('all is published', () => newest()!.experiences === load.decisions);
      await eventually('all is recorded', async () => (await rows('outcomes', 'outcome_id')).distinct === load.outcomes);
      console.log(`${load.events} events, ${load.decisions} decisions, ${load.outcomes} outcomes; ${JSON.stringify(took)}`);
      for (const child of running.values()) await child.stop();

      await expectRewardsOnce();
      await expectStatesOfOneProcess();
      await expectStatisticsOfOneLearner();
      await expectRowsOnce();
    });
  });

  /** Customers whose probe is not in their state yet. */
  const unseen = async (customers: readonly string[]): Promise<readonly string[]> => {
    const keys = customers.map((customer) => ({ key: customerKeyToBytes(customerKey(customer)), shard: shardOf(customer) }));
    const found = await store.states.readMany(keys);
    return customers.filter((_, i) => found[i] === null);
  };

  /** What consumers end up with: the newest revision of each slot. */
  const expectRewardsOnce = async (): Promise<void> => {
    const latest = new Map<string, Reward>();
    const revisions = new Map<string, string>();
    let contradictions = 0;
    for (const { value } of await readTopic(log, TOPICS.rewards)) {
      const reward = rewardCodec.decode(value);
      const id = decisionIdFromBytes(reward.decisionId);
      const told = `${reward.target} ${reward.sourceTopic} ${reward.sourcePartition} ${reward.sourceOffset} ${reward.sourceIndex}`;
      // One that a killed process appended comes again with the same revision and source.
      if ((revisions.get(`${id} ${reward.revision}`) ?? told) !== told) contradictions++;
      revisions.set(`${id} ${reward.revision}`, told);
      if ((latest.get(id)?.revision ?? 0) < reward.revision) latest.set(id, reward);
    }
    expect(contradictions).toBe(0);
    expect(latest.size).toBe(load.decisions);
    for (let number = 0; number < load.decisions; number++) {
      const { customer, decidedAt, accepted } = load.decision(number);
      expect(latest.get(decisionId(customer, 1, decidedAt))?.target).toBe(accepted ? 1 : 0);
    }
  };

  const expectStatesOfOneProcess = async (): Promise<void> => {
    const catalog = compileCatalog(loadProject(new URL('../../catalog/telco', import.meta.url).pathname));
    const groups = new Map(catalog.actions.map(({ id, group }) => [id, group]));
    const one = await openLmdbFeatureStore({ dir: join(scratch, 'one-process'), partitions: PARTITIONS });
    // As the pipeline compiles it: the catalog says which group an action is of, and the group how long its outcomes count.
    const project = { ...telco(), actionGroup: (id: string) => groups.get(id) ?? null };
    const role = createStateRole({ log, store: one, project, clock: Date.now, logger: SILENT, group: 'one-process', silent: true });
    await role.start();
    await eventually('one process has read all', async () => (await log.lag('one-process', STATE_INPUTS)) === 0);
    const nowMs = Date.now();
    let compared = 0;
    for (const customer of load.customers()) {
      const key = customerKeyToBytes(customerKey(customer));
      const [there, here] = [await store.states.read(key, shardOf(customer)), await one.states.read(key, shardOf(customer))];
      expect(there, customer).not.toBeNull();
      expect(describeState(decodeState(there!, project.featureSet), nowMs), customer).toEqual(
        describeState(decodeState(here!, project.featureSet), nowMs),
      );
      compared++;
    }
    expect(compared).toBeGreaterThan(50);
    await role.stop();
    await one.close();
  };

  const expectStatisticsOfOneLearner = async (): Promise<void> => {
    const reference = await learnInOneGo(log, join(scratch, 'one-learner'));
    expect(reference.experiences).toBe(load.decisions);
    for (const name of running.keys()) {
      const [home] = learnerHomes(join(scratch, name)).values();
      const difference = differenceOf(await statisticsOfHome(home!), reference);
      console.log(`${name}: largest difference of statistics ${difference.toExponential(1)}`);
      expect(difference).toBeLessThan(1e-12);
    }
  };

  const rows = async (table: string, id: string): Promise<{ readonly count: number; readonly distinct: number }> => {
    const [row] = await warehouse.query<{ count: string; distinct: string }>(
      `SELECT count() AS count, uniqExact(${id}) AS distinct FROM ${table} FINAL`,
    );
    return { count: Number(row!.count), distinct: Number(row!.distinct) };
  };
  const expectRowsOnce = async (): Promise<void> => {
    expect(await rows('events', 'event_id')).toEqual({ count: load.events, distinct: load.events });
    expect(await rows('decisions', 'decision_id')).toEqual({ count: load.decisions, distinct: load.decisions });
    expect(await rows('outcomes', 'outcome_id')).toEqual({ count: load.outcomes, distinct: load.outcomes });
    const [rewards] = await warehouse.query<{ slots: string }>('SELECT uniqExact(decision_id, rank) AS slots FROM rewards FINAL');
    expect(Number(rewards!.slots)).toBe(load.decisions);
  };
};

const deleteKeys = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  for (const key of await redis.keysBuffer(`${prefix}*`)) await redis.del(key);
  redis.disconnect();
};

withEngine('kafka', (kafkaUrl) => withEngine('redis', (redisUrl) => scaleOut(kafkaUrl, redisUrl)));
