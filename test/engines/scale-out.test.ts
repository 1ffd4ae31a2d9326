/**
 * Scale-out on Kafka, Redis and ClickHouse's HTTP interface: pipelines come and are killed under load, and all is counted as one process
 * counts it. Meanwhile a storm of requests wants to write to the same few customers, and the one gate lets out no message too many.
 * Times are printed, not judged: four processes and three engines share whatever machine this is (learner-processes.test.ts holds the
 * learner to twice its lease).
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  STATE_INPUTS,
  SEGMENT_TURN_EVENT,
  TOPICS,
  createCustomerKey,
  customerKeyToBytes,
  decisionCodec,
  decisionIdFromBytes,
  eventCodec,
  modelCodec,
  rewardCodec,
  shardOf,
} from '#contracts';
import type { CustomerKey, ModelRecord, Reward, Topic } from '#contracts';
import { fixTopics, openKafkaLog } from '#event-log';
import type { EventLog, Follower } from '#event-log';
import { decodeState, describeState, openLmdbFeatureStore, openRedisFeatureStore, outboxOf } from '#feature-store';
import type { CustomerState, FeatureStore } from '#feature-store';
import { SILENT, createStateRole } from '#pipeline';
import type { StateProject } from '#pipeline';
import { loadProject } from '#project';
import { WRITER, openWarehouse, startEmbeddedServer } from '#warehouse';
import type { EmbeddedServer, Warehouse } from '#warehouse';
import { compileStateProject } from '../../cli/compile-state-project.ts';
import { customerKey, decisionId, readTopic } from '../../pipeline/test-world.ts';
import { traffic } from '../learners/traffic.ts';
import type { Traffic } from '../learners/traffic.ts';
import { learnerHomes, startPipeline } from '../learners/pipelines.ts';
import type { PipelineProcess } from '../learners/pipelines.ts';
import { learnInOneGo } from '../learners/reference.ts';
import { differenceOf, statisticsOfHome } from '../learners/statistics.ts';
import { deleteTopics } from './delete-topics.ts';
import { breaches, breachesOfQuiet, readTold } from './outbound/limits-oracle.ts';
import { openStorm } from './outbound/storm.ts';
import type { Storm } from './outbound/storm.ts';
import { withEngine } from './with-engine.ts';

const PARTITIONS = 6;
/** Of a process that is killed: each of two channels has two connections. */
const IN_HAND = 4;
const RECORDED = [TOPICS.events, TOPICS.decisions, TOPICS.outcomes, TOPICS.rewards];
const ID_KEY = 'an id key that is long enough for the test of scale-out';
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
  let storm: Storm;
  const stormKey = createCustomerKey(ID_KEY);
  let compiled: StateProject | undefined;
  /** As the pipelines have it. */
  const project = (): StateProject => (compiled ??= compileStateProject(loadProject(storm.catalogDir)));
  const dataDirs = (): string[] => ['a', 'b', 'c', 'd'].map((name) => join(scratch, name));

  beforeAll(async () => {
    await fixTopics({ connection, topicPrefix, partitions: PARTITIONS, replicationFactor: 1, nowMs: Date.now(), epoch: 11 });
    log = await openKafkaLog({ connection, topicPrefix });
    store = await openRedisFeatureStore({ url: redisUrl, prefix, partitions: PARTITIONS, readTimeoutMs: 2_000 });
    server = await startEmbeddedServer({ dir: join(scratch, 'warehouse') });
    warehouse = openWarehouse({ url: server.url, username: WRITER, password: server.users[WRITER], database: 'attune' });
    storm = await openStorm({ log, store, dir: scratch, idKey: ID_KEY });
    follower = log.follow([TOPICS.models], ({ value, key }) => {
      const record = modelCodec.decode(value);
      if (record.snapshot > 0 && key?.toString() === `/${record.version}`) heard.push({ record, atMs: performance.now() });
    });
  }, 120_000);
  afterAll(async () => {
    await load?.stop();
    await storm?.close();
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
      ATTUNE_ID_KEY: ID_KEY,
      ...storm.env,
    };
    running.set(name, await startPipeline({ dataDir: join(scratch, name), roles: 'state,learn,record,deliver,segments', env }));
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
      load = traffic(log, 3, storm.catalogDir);
      storm.rage();
      await eventually('both fold', async () => (await folds('a')) > 0 && (await folds('b')) > 0);
      const startedMs = performance.now();
      const published = eventually('a snapshot is published', () => (newest()?.experiences ?? 0) > 20);
      await start('c');
      await eventually('a third folds', async () => (await folds('c')) > 0);
      took['aThirdWorksAfterMs'] = performance.now() - startedMs;
      await published;

      const dies = (await learner())!;
      const before = newest()!.snapshot;
      const killedMs = performance.now();
      await running.get(dies)!.kill();
      running.delete(dies);
      const probes = load.probe();
      const publishes = eventually('another publishes', () => newest()!.snapshot >= before + 1_000).then(
        () => heard.find(({ record }) => record.snapshot >= before + 1_000)!.atMs - killedMs,
      );
      const replaced = start('d');
      await eventually('all partitions are worked on', async () => (await unseen(await probes)).length === 0);
      took['partitionsMovedAfterMs'] = performance.now() - killedMs;
      took['publishedAgainAfterMs'] = await publishes;
      expect(await learner()).not.toBe(dies);

      await replaced;
      await eventually('the new one folds', async () => (await folds('d')) > 0);
      const [, statuses] = await Promise.all([load.stop(), storm.calm()]);
      took['stormedMs'] = performance.now() - startedMs;
      await eventually('nothing waits to be sent', isCalm);
      await eventually('state has read all', async () => (await log.lag('state', STATE_INPUTS)) === 0);
      const told = await expectRewardsOnce();
      for (const name of running.keys())
        await eventually(`${name} has learned all`, async () => (await numberOf(name, 'attune_learn_experiences')) === told.experiences);
      await eventually('all is published', () => newest()!.experiences === told.experiences);
      await eventually('all is recorded', async () => (await log.lag('record', RECORDED)) === 0);
      console.log(`${load.events} events, ${load.decisions} decisions, ${load.outcomes} outcomes; ${JSON.stringify(took)}`);
      await Promise.all([...running.values()].map((child) => child.stop()));

      await expectLimitsKept(statuses);
      await expectStatesOfOneProcess();
      await expectStatisticsOfOneLearner(told.experiences);
      await expectRowsOnce(told.slots);
    });
  });

  /** Customers whose probe is not in their state yet. */
  const unseen = async (customers: readonly string[]): Promise<readonly string[]> => {
    const keys = customers.map((customer) => ({ key: customerKeyToBytes(customerKey(customer)), shard: shardOf(customer) }));
    const found = await store.states.readMany(keys);
    return customers.filter((_, i) => found[i] === null);
  };

  const stormState = async (customer: string): Promise<CustomerState | null> => {
    const bytes = await store.states.read(customerKeyToBytes(stormKey({ kind: 'customer', id: customer })), shardOf(customer));
    return bytes === null ? null : decodeState(bytes, project().featureSet);
  };
  /** Plans, inputs and messages that somebody has still to work on; what a killed process had in hand waits for the end of its lease. */
  const waiting = async (): Promise<number> => {
    const states = await Promise.all(storm.customers.map(stormState));
    const planned = states.reduce((sum, state) => sum + (state?.outreach.planned.length ?? 0), 0);
    const unread = (await log.lag('state', STATE_INPUTS)) + (await log.lag('deliver', [TOPICS.communications]));
    const outboxes = await Promise.all(['sms', 'email'].map((name) => store.documents.list(outboxOf(name), { state: 'queued', limit: 1 })));
    return planned + unread + outboxes.reduce((sum, { total }) => sum + total, 0);
  };
  const isCalm = async (): Promise<boolean> => {
    for (let twice = 0; twice < 2; twice++, await delay(300)) if ((await waiting()) > 0) return false;
    return true;
  };

  const expectLimitsKept = async (statuses: Readonly<Record<string, number>>): Promise<void> => {
    const { queued, sent, settled, withheld } = readTold(await readTopic(log, TOPICS.communications));
    const got = storm.received(dataDirs());
    const gotIds = new Set(got.map(({ communicationId }) => communicationId));
    const left = new Set([...sent, ...gotIds]);
    const messages = [...left].flatMap((id) => queued.get(id) ?? []);
    console.log(
      `storm: ${JSON.stringify(statuses)}; ${queued.size} let out, ${sent.size} sent, ${got.length} received, ${gotIds.size} different; ` +
        JSON.stringify(Object.fromEntries([...withheld].toSorted(([, a], [, b]) => b - a))),
    );
    expect(messages.length, 'received, and never let out').toBe(left.size);
    expect(breaches(storm.rules, messages)).toEqual([]);
    expect(breachesOfQuiet(storm.rules, storm.zoneOf, got)).toEqual([]);
    // Killed between sending and saying so; nothing else is without an end.
    expect([...queued.keys()].filter((id) => !gotIds.has(id) && !settled.has(id)).length).toBeLessThanOrEqual(IN_HAND);
    expect([...sent].filter((id) => !gotIds.has(id))).toEqual([]);

    // The storm was one: every kind of request got through, and every kind of bound was met.
    expect(
      Object.keys(statuses).every((status) => / 20\d$/.test(status)),
      JSON.stringify(statuses),
    ).toBe(true);
    const decided = (await readTopic(log, TOPICS.decisions)).map(({ value }) => decisionCodec.decode(value));
    const causes = new Set(decided.flatMap(({ direction, cause }) => (direction === 'outbound' ? [cause] : [])));
    expect([...causes]).toEqual(expect.arrayContaining(['', 'tmf681', 'trigger:now', 'trigger:soon', 'trigger:calm']));
    const types = (await readTopic(log, TOPICS.events)).map(({ value }) => eventCodec.decode(value).type);
    expect(types).toContain(SEGMENT_TURN_EVENT);
    // A state keeps minutes: where in the minute the storm raged decides which of the two it was.
    for (const verdict of [/^denied:volume-cap/, /^(?:denied|deferred):per-/])
      expect(
        [...withheld.keys()].some((one) => verdict.test(one)),
        String(verdict),
      ).toBe(true);
    for (const address of storm.inDaylight) expect(got.filter((one) => one.address === address).length, address).toBeGreaterThan(1);
  };

  /** What consumers end up with: the newest revision of each slot. */
  const expectRewardsOnce = async (): Promise<Told> => {
    const latest = new Map<string, Reward>();
    /** Of what was never delivered there is a reward, and nothing to learn. */
    const learned = new Set<string>();
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
      if (reward.target !== null) learned.add(id);
    }
    expect(contradictions).toBe(0);
    for (let number = 0; number < load.decisions; number++) {
      const { customer, decidedAt, accepted } = load.decision(number);
      expect(latest.get(decisionId(customer, 1, decidedAt))?.target).toBe(accepted ? 1 : 0);
    }
    return { slots: latest.size, experiences: learned.size };
  };

  const expectStatesOfOneProcess = async (): Promise<void> => {
    const one = await openLmdbFeatureStore({ dir: join(scratch, 'one-process'), partitions: PARTITIONS });
    const role = createStateRole({
      log,
      store: one,
      project: project(),
      clock: Date.now,
      logger: SILENT,
      group: 'one-process',
      silent: true,
    });
    await role.start();
    await eventually('one process has read all', async () => (await log.lag('one-process', STATE_INPUTS)) === 0);
    const nowMs = Date.now();
    const both = async (customer: string, key: CustomerKey): Promise<readonly ReturnType<typeof describeState>[]> => {
      const states = await Promise.all([store, one].map(async ({ states }) => states.read(customerKeyToBytes(key), shardOf(customer))));
      expect(states, customer).not.toContain(null);
      return states.map((state) => describeState(decodeState(state!, project().featureSet), nowMs));
    };
    for (const customer of load.customers()) {
      const [there, here] = await both(customer, customerKey(customer));
      expect(there, customer).toEqual(here);
    }
    // What counts against limits. Of hundreds of decisions that the gate denied a rebuild may push out some that wait for outcomes.
    for (const customer of storm.customers) {
      const [there, here] = await both(customer, stormKey({ kind: 'customer', id: customer }));
      expect(there!.contacts, customer).toEqual(here!.contacts);
    }
    expect(load.customers().length).toBeGreaterThan(50);
    await role.stop();
    await one.close();
  };

  const expectStatisticsOfOneLearner = async (experiences: number): Promise<void> => {
    const reference = await learnInOneGo(log, join(scratch, 'one-learner'), storm.catalogDir);
    expect(reference.experiences).toBe(experiences);
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
  const expectRowsOnce = async (slots: number): Promise<void> => {
    const idsOf = async (topic: Topic, idOf: (value: Buffer) => string | null): Promise<number> =>
      new Set((await readTopic(log, topic)).flatMap(({ value }) => idOf(value) ?? [])).size;
    const events = await idsOf(TOPICS.events, (value) => {
      const { id, type } = eventCodec.decode(value);
      // Attune's own timers are not for the warehouse.
      return type === 'attune.timer' ? null : id;
    });
    const decisions = await idsOf(TOPICS.decisions, (value) => decisionIdFromBytes(decisionCodec.decode(value).decisionId));
    expect(events).toBeGreaterThan(load.events);
    expect(decisions).toBeGreaterThan(load.decisions);
    expect(await rows('events', 'event_id')).toEqual({ count: events, distinct: events });
    expect(await rows('decisions', 'decision_id')).toEqual({ count: decisions, distinct: decisions });
    expect(await rows('outcomes', 'outcome_id')).toEqual({ count: load.outcomes, distinct: load.outcomes });
    const [rewards] = await warehouse.query<{ slots: string }>('SELECT uniqExact(decision_id, rank) AS slots FROM rewards FINAL');
    expect(Number(rewards!.slots)).toBe(slots);
  };
};

/** What the topic of rewards holds. */
interface Told {
  readonly slots: number;
  readonly experiences: number;
}

const deleteKeys = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  for (const key of await redis.keysBuffer(`${prefix}*`)) await redis.del(key);
  redis.disconnect();
};

withEngine('kafka', (kafkaUrl) => withEngine('redis', (redisUrl) => scaleOut(kafkaUrl, redisUrl)));
