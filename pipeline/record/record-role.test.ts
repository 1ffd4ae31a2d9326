import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  communicationCodec,
  createCustomerKey,
  createDecisionId,
  customerKeyOfDecision,
  customerKeyToBytes,
  deadLetterCodec,
  decisionCodec,
  decisionIdToBytes,
  erasureCodec,
  eventCodec,
  hashUnit,
  NO_PAIR,
  outcomeCodec,
  rewardCodec,
  shardOf,
  TOPICS,
  UNSAID,
  type Communication,
  type CustomerKey,
  type Decision,
  type DecisionId,
  type Topic,
} from '#contracts';
import { openLmdbLog, type EventLog } from '#event-log';
import { openWarehouse, startEmbeddedServer, type EmbeddedServer, type Warehouse } from '#warehouse';
import { hasChdb } from '../../warehouse/server/test-chdb.ts';
import { createRecordRole, RECORD_GROUP, type RecordRole, type RecordRoleDeps } from './index.ts';

const tmp = () => mkdtempSync(path.join(os.tmpdir(), 'attune-record-'));
const keyOf = createCustomerKey('test-key');
const T0 = Date.UTC(2026, 10, 1);
const ACTIONS = ['offer-a', 'offer-b', 'care-c'];

const eventOf = (n: number, customer = `c-${n % 7}`, receivedAt = T0 + n) => ({
  topic: TOPICS.events as Topic,
  shard: shardOf(customer),
  value: eventCodec.encode({
    id: `e-${n}`,
    source: 'test',
    type: 'bill.issued',
    subjectKind: 'customer',
    subjectId: customer,
    customerKey: customerKeyToBytes(keyOf({ kind: 'customer', id: customer })),
    time: T0 + n,
    receivedAt,
    data: JSON.stringify({ amount: n, name: 'Ada Lovelace' }),
  }),
});
const decisionIdOf = (n: number, customer: string): DecisionId =>
  createDecisionId({ atMs: T0 + n, shard: shardOf(customer), entropy: [n, n] });
const decisionOf = (n: number, over: Partial<Decision> = {}) => {
  const customer = `c-${n % 7}`;
  const decision: Decision = {
    decisionId: decisionIdToBytes(decisionIdOf(n, customer)),
    subjectKind: 'customer',
    subjectId: customer,
    customerKey: customerKeyToBytes(keyOf({ kind: 'customer', id: customer })),
    anonymous: false,
    requestId: null,
    decidedAt: T0 + n,
    channel: 'app',
    direction: 'inbound',
    placement: 'home',
    limit: 1,
    loop: '',
    context: '{"page":"bill","email":"ada@example.org"}',
    ownCandidates: null,
    allowNone: true,
    seed: n,
    group: hashUnit(customer) < 0.5 ? 'model' : 'random',
    catalogVersion: 'cat1',
    controlsVersion: 0,
    modelVersion: 'm1',
    modelSnapshot: 3,
    degraded: [],
    customerKnown: true,
    state: Buffer.from([1]),
    featureSet: 'f1',
    features: [1.5, n],
    stages: Buffer.from([1, 2, 20]),
    scored: [0, 1, -1],
    propensities: [0.5, 0.25, 0],
    priorities: [5, 2.5, 0],
    gammas: [10, 10, 10],
    probabilities: [0.5, 0.25, 0.25],
    chosen: [
      { rank: 1, index: 0, actionId: 'offer-a', treatmentId: 'offer-a-app', propensity: 0.5, probability: 0.5, value: 10, priority: 5 },
    ],
    noneProbability: 0.25,
    latencyUs: 120,
    ...over,
  };
  return { topic: TOPICS.decisions as Topic, shard: shardOf(customer), value: decisionCodec.encode(decision) };
};
const rewardOf = (n: number, revision: number, over: Partial<Parameters<typeof rewardCodec.encode>[0]> = {}) => {
  const customer = `c-${n % 7}`;
  return {
    topic: TOPICS.rewards as Topic,
    shard: shardOf(customer),
    value: rewardCodec.encode({
      decisionId: decisionIdToBytes(decisionIdOf(n, customer)),
      customerKey: customerKeyToBytes(keyOf({ kind: 'customer', id: customer })),
      rank: 1,
      actionId: 'offer-a',
      loop: '',
      kind: revision === 1 ? 'provisional' : 'matured',
      target: revision - 1,
      reward: (revision - 1) * 10,
      outcome: revision === 1 ? 'none' : 'accepted',
      amount: null,
      decidedAt: T0 + n,
      occurredAt: T0 + n + revision,
      matured: revision > 1,
      revision,
      sourceTopic: TOPICS.outcomes,
      sourcePartition: 0,
      sourceOffset: n,
      sourceIndex: 0,
      ...over,
    }),
  };
};
const outcomeOf = (n: number) => {
  const customer = `c-${n % 7}`;
  return {
    topic: TOPICS.outcomes as Topic,
    shard: shardOf(customer),
    value: outcomeCodec.encode({
      outcomeId: `o-${n}`,
      decisionId: decisionIdToBytes(decisionIdOf(n, customer)),
      actionId: 'offer-a',
      outcome: 'accepted',
      amount: 5,
      reward: null,
      reasonCode: null,
      occurredAt: T0 + n,
      receivedAt: T0 + n,
    }),
  };
};

describe.skipIf(!hasChdb())('the record role (skipped where the optional package chdb is absent)', () => {
  const dir = tmp();
  let template: EmbeddedServer;
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    template = await startEmbeddedServer({ dir });
    return () => template.stop();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  let databases = 0;
  const connect = (server: EmbeddedServer, database = `test_${process.pid}_${databases++}`): Warehouse => {
    const warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline, database });
    closers.push(() => warehouse.close());
    return warehouse;
  };
  const openLog = async (logDir = tmp()): Promise<EventLog> => {
    const log = await openLmdbLog({ dir: logDir, partitions: 4 });
    closers.push(() => log.close());
    return log;
  };
  const roleOf = (log: EventLog, warehouse: Warehouse, over: Partial<RecordRoleDeps> = {}): RecordRole => {
    const role = createRecordRole({
      log,
      warehouse,
      clock: () => T0,
      blockMs: 50,
      longestPauseMs: 500,
      eventTypes: () => ({
        get: (type) =>
          type === 'bill.issued' ? ({ withoutPersonal: (data: Record<string, unknown>) => ({ amount: data['amount'] }) } as never) : null,
      }),
      catalogActions: (version) => Promise.resolve(version === 'cat1' ? ACTIONS : null),
      viewOf: () => ({ attributes: { plan: 'basic', email: 'ada@example.org' }, pair: () => NO_PAIR }),
      isPersonal: (name) => name === 'email',
      featureNames: () => Promise.resolve(['dataMb30d', 'calls30d']),
      ...over,
    });
    closers.push(() => role.stop());
    return role;
  };
  const count = async (warehouse: Warehouse, table: string): Promise<number> => {
    try {
      return Number((await warehouse.query<{ n: number }>(`SELECT count() AS n FROM ${table} FINAL`))[0]?.n);
    } catch {
      return -1;
    }
  };
  const until = (probe: () => Promise<unknown>, value: unknown) => expect.poll(probe, { timeout: 20_000, interval: 50 }).toEqual(value);

  test('records every topic once, and named feature values can be read', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    await log.append(
      Array.from({ length: 50 }, (_, n) => [eventOf(n), decisionOf(n), outcomeOf(n), rewardOf(n, 1), rewardOf(n, 2)]).flat(),
    );
    const role = roleOf(log, warehouse);
    await role.start();
    for (const table of ['events', 'decisions', 'outcomes', 'rewards']) await until(() => count(warehouse, table), 50);
    const [row] = await warehouse.query<Record<string, unknown>>(
      `SELECT mapFromArrays(f.names, d.features) AS features, d.\`candidates.action_id\` AS ids, d.\`candidates.probability\` AS probabilities, d.\`candidates.stage\` AS stages, attributes, context,
        decision_id, customer_key FROM decisions AS d FINAL INNER JOIN feature_sets AS f ON f.fingerprint = d.feature_set ORDER BY decided_at LIMIT 1`,
    );
    expect(row).toMatchObject({
      features: { dataMb30d: 1.5, calls30d: 0 },
      ids: [...ACTIONS, 'none'],
      probabilities: [0.5, 0.25, 0, 0.25],
      stages: [1, 2, 20, 2],
      attributes: { plan: 'basic' },
      context: { page: 'bill' },
      decision_id: decisionIdOf(0, 'c-0'),
      customer_key: keyOf({ kind: 'customer', id: 'c-0' }),
    });
    const [sum] = await warehouse.query<{ amount: number }>("SELECT sum(JSONExtractFloat(data, 'amount')) AS amount FROM events FINAL");
    expect(sum?.amount).toBe((49 * 50) / 2);
    expect(await warehouse.query('SELECT count() AS n, sum(reward) AS reward FROM experiences')).toEqual([{ n: 50, reward: 500 }]);
    expect(await warehouse.query('SELECT stage, count() AS n FROM decision_candidates GROUP BY stage ORDER BY stage')).toEqual([
      { stage: 'chosen', n: 50 },
      { stage: 'eligibility', n: 50 },
      { stage: 'scored', n: 100 },
    ]);
    for (const view of ['acceptance', 'lift', 'funnel', 'calibration', 'model_health', 'backfire', 'customer_months'])
      expect([view, (await warehouse.query(`SELECT * FROM ${view}`)).length > 0]).toEqual([view, true]);
  });

  test('the steps of a message arrive without its address and text, and make one row of the view', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    const id = decisionIdToBytes(decisionIdOf(1, 'c-1'));
    const step = (state: Communication['state'], at: number, more: Partial<Communication> = {}) => ({
      topic: TOPICS.communications as Topic,
      shard: shardOf('c-1'),
      value: communicationCodec.encode({
        ...UNSAID,
        communicationId: id,
        decisionId: id,
        customerKey: customerKeyToBytes(keyOf({ kind: 'customer', id: 'c-1' })),
        channel: 'sms',
        treatmentId: 'offer-a-sms',
        actionId: 'offer-a',
        cause: 'trigger:bill-shock',
        state,
        at,
        ...more,
      }),
    });
    await log.append([
      step('queued', T0, { arm: 'contacted', until: T0 + 259_200_000, address: '+49151', content: '{"body":"Dear Ada"}', language: 'de' }),
      step('sent', T0 + 5, { attempt: 2, providerId: 'p-1', doubtful: true }),
      step('delivered', T0 + 9),
      step('matured', T0 + 259_200_000, { arm: 'contacted', inboundContacts: 2, holdoutShare: 0.2 }),
    ]);
    await roleOf(log, warehouse).start();
    await until(() => count(warehouse, 'communications'), 4);
    expect(JSON.stringify(await warehouse.query('SELECT * FROM communications'))).not.toMatch(/49151|Ada/);
    expect(await warehouse.query('SELECT * EXCEPT (customer_key, decision_id) FROM messages')).toMatchObject([
      {
        communication_id: decisionIdOf(1, 'c-1'),
        action_id: 'offer-a',
        treatment_id: 'offer-a-sms',
        channel: 'sms',
        cause: 'trigger:bill-shock',
        state: 'delivered',
        attempts: 2,
        doubtful: true,
        sent_at: '2026-11-01 00:00:00.005',
        delivered_at: '2026-11-01 00:00:00.009',
      },
    ]);
    expect(
      await warehouse.query("SELECT arm, inbound_contacts, round(holdout_share, 3) AS share FROM communications WHERE state = 'matured'"),
    ).toEqual([{ arm: 'contacted', inbound_contacts: 2, share: 0.2 }]);
  });

  test('no personal field arrives', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    await log.append([eventOf(1), decisionOf(1)]);
    await roleOf(log, warehouse).start();
    await until(() => count(warehouse, 'decisions'), 1);
    await until(() => count(warehouse, 'events'), 1);
    const all = JSON.stringify([await warehouse.query('SELECT * FROM events'), await warehouse.query('SELECT * FROM decisions')]);
    for (const secret of ['Ada', 'ada@example.org', '"c-1"']) expect(all).not.toContain(secret);
  });

  test('a row written twice counts once', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    await log.append([eventOf(1), eventOf(1), decisionOf(2), decisionOf(2), outcomeOf(2), outcomeOf(2), rewardOf(2, 2), rewardOf(2, 1)]);
    const role = roleOf(log, warehouse);
    await role.start();
    await until(() => Promise.resolve(role.metrics()['rowsInserted']), 8);
    for (const table of ['events', 'decisions', 'outcomes', 'rewards']) expect([table, await count(warehouse, table)]).toEqual([table, 1]);
    expect(await warehouse.query('SELECT revision FROM rewards FINAL')).toEqual([{ revision: 2 }]);
  });

  test('resumes after the highest stored offset, even where the log believes that it has read on', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    await log.append(Array.from({ length: 40 }, (_, n) => eventOf(n)));
    const first = roleOf(log, warehouse, { blockMs: 60_000, blockRows: 5 });
    await first.start();
    await until(async () => log.lag(RECORD_GROUP, [TOPICS.events]), 0);
    const stopping = first.stop();
    await log.append(Array.from({ length: 40 }, (_, n) => eventOf(100 + n)));
    await stopping;
    await roleOf(log, warehouse).start();
    await until(() => count(warehouse, 'events'), 80);
  });

  test('a warehouse that is away makes lag, not loss, and the role goes on by itself', async () => {
    const place = tmp();
    const before = await startEmbeddedServer({ dir: place });
    const port = Number(new URL(before.url).port);
    const log = await openLog();
    const warehouse = connect(before, 'attune');
    const role = roleOf(log, warehouse);
    await role.start();
    await log.append([eventOf(0)]);
    await until(() => count(warehouse, 'events'), 1);
    await before.kill();
    await log.append(Array.from({ length: 100 }, (_, n) => eventOf(1 + n)));
    await until(() => Promise.resolve(role.lastError() !== '' && role.metrics()['lagRecords']! > 0), true);
    const after = await startEmbeddedServer({ dir: place, port });
    closers.push(() => after.stop());
    await until(() => count(warehouse, 'events'), 101);
    await until(() => Promise.resolve([role.lastError(), role.metrics()['lagRecords']]), ['', 0]);
  });

  test('starts while the warehouse is away, and stops although it stays away', async () => {
    const log = await openLog();
    const nowhere = openWarehouse({ url: 'http://127.0.0.1:9', username: 'pipeline', password: 'x' });
    const role = roleOf(log, nowhere);
    await role.start();
    await log.append([eventOf(0)]);
    await until(() => Promise.resolve(role.metrics()['lagRecords']), 1);
    const began = performance.now();
    await role.stop();
    expect(performance.now() - began).toBeLessThan(2_000);
    await nowhere.close();
  });

  test("an erasure takes the customer's rows, and keeps out what was recorded before it", async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    const key: CustomerKey = keyOf({ kind: 'customer', id: 'c-3' });
    await log.append(Array.from({ length: 21 }, (_, n) => [eventOf(n), decisionOf(n), outcomeOf(n), rewardOf(n, 2)]).flat());
    const first = roleOf(log, warehouse);
    await first.start();
    for (const table of ['events', 'decisions', 'outcomes', 'rewards']) await until(() => count(warehouse, table), 21);
    const erase = () =>
      log.append([
        {
          topic: TOPICS.erasures,
          shard: shardOf('c-3'),
          key: customerKeyToBytes(key),
          value: erasureCodec.encode({ customerKey: customerKeyToBytes(key), erasedAt: Date.now(), shard: shardOf('c-3') }),
        },
      ]);
    await erase();
    for (const table of ['events', 'decisions', 'outcomes', 'rewards']) await until(() => count(warehouse, table), 18);
    await new Promise((resolve) => setTimeout(resolve, 5));
    // The first was taken before the erasure, and waited in an outbox until now.
    await log.append([eventOf(499, 'c-3'), eventOf(500, 'c-3', Date.now())]);
    await until(() => count(warehouse, 'events'), 19);
    await first.stop();
    const empty = connect(template);
    const second = roleOf(log, empty);
    await second.start();
    for (const [table, n] of [
      ['events', 19],
      ['decisions', 18],
      ['rewards', 18],
    ] as const)
      await until(() => count(empty, table), n);
    expect(second.metrics()['skippedErased']).toBe(10);
  });

  test('a record that cannot be read goes to the dead letters once, also after a restart, and its row says where it was', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    const poison = (topic: Topic) => ({ topic, shard: 0, value: Buffer.from('poison') });
    await log.append([poison(TOPICS.rewards), poison(TOPICS.events), rewardOf(0, 1)]);
    const letters = async () =>
      (await Promise.all([0, 1, 2, 3].map((p) => log.read(TOPICS.deadLetters, p, 0, 100))))
        .flat()
        .map((record) => deadLetterCodec.decode(record.value));
    const first = roleOf(log, warehouse);
    await first.start();
    await until(() => count(warehouse, 'dead_letters'), 1);
    await until(() => count(warehouse, 'rewards'), 1);
    await first.stop();
    await log.append([rewardOf(1, 1)]);
    await roleOf(log, warehouse).start();
    await until(() => count(warehouse, 'rewards'), 2);
    expect((await letters()).map(({ topic, partition, offset, reason }) => [topic, partition, offset, reason])).toEqual([
      [TOPICS.rewards, 0, 0, 'record.unreadable'],
    ]);
    expect(first.metrics()['unreadable']).toBe(2);
    expect(await warehouse.query('SELECT source_topic, source_partition, source_offset, payload_bytes FROM dead_letters FINAL')).toEqual([
      { source_topic: TOPICS.rewards, source_partition: 0, source_offset: 0, payload_bytes: 6 },
    ]);
  });

  test('a catalog that is not known, own candidates and a subject without a name are recorded all the same', async () => {
    const [log, warehouse] = [await openLog(), connect(template)];
    const own = decisionIdOf(900, 'c-0');
    await log.append([
      decisionOf(7, { catalogVersion: 'gone' }),
      decisionOf(900, {
        ownCandidates: JSON.stringify([{ id: 'x' }, { id: 'y' }, { id: 'z' }]),
        loop: 'mine',
        subjectId: null,
        anonymous: true,
        customerKey: customerKeyToBytes(customerKeyOfDecision(own)),
      }),
    ]);
    await roleOf(log, warehouse).start();
    await until(() => count(warehouse, 'decisions'), 2);
    expect(await warehouse.query('SELECT `candidates.action_id` AS ids FROM decisions FINAL ORDER BY decided_at')).toEqual([
      { ids: ['offer-a', '#1', '#2', 'none'] },
      { ids: ['x', 'y', 'z', 'none'] },
    ]);
  });
});
