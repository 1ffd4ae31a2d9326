/** The laws that the API answers for: 1 (receipts), 3 (2xx means durable), 6 (never waits for the slow), 10 (a bad catalog harms nothing). */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EngineUnavailable, TOPICS, decisionCodec, type Decision } from '#contracts';
import { redecide, verifyReceipt, STAGE } from '#decisioning';
import type { EventLog } from '#event-log';
import { markRebuild, unmarkRebuild, viewOfReceipt, type FeatureStore } from '#feature-store';
import { loadProject } from '#project';
import { compileProject } from './holders/catalog-holder.ts';
import { CATALOG_DIR, openTestServing, type TestServing } from './test-serving.ts';

const HOUR = 3_600_000;

/** A small generator, so that the sequence is the same in every run (mulberry32). */
const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

const know = (serving: TestServing, id: string, index: number): Promise<void> =>
  serving.knows(id, [
    {
      type: 'customer.updated',
      data: {
        plan: ['basic', 'standard', 'premium'][index % 3],
        segment: 'consumer',
        tenureMonths: index,
        consentMarketing: index % 2 === 0,
      },
      time: Date.now() - 50 * HOUR,
    },
    { type: 'bill.issued', data: { amount: 20 + index, overage: index % 5, dueInDays: 14 }, time: Date.now() - 30 * HOUR },
    { type: 'page.viewed', data: { page: 'plans' }, time: Date.now() - HOUR },
  ]);

const everyReceipt = async (log: EventLog): Promise<Decision[]> => {
  await log.append([]);
  const receipts: Decision[] = [];
  for (let partition = 0; partition < log.partitions; partition++) {
    for (const record of await log.read(TOPICS.decisions, partition, 0, 10_000)) receipts.push(decisionCodec.decode(record.value));
  }
  return receipts;
};

test('law 1: every receipt is decided again bit by bit, and an altered one is found out', async () => {
  const serving = await openTestServing({ random: seeded(7) });
  const ids = Array.from({ length: 12 }, (_, index) => `c-${index}`);
  await Promise.all(ids.map((id, index) => know(serving, id, index)));
  const random = seeded(11);
  for (let i = 0; i < 150; i++) {
    const own = i % 10 === 9;
    const payload = {
      ...(i % 7 === 6 ? { anonymousId: `v-${i}` } : { customerId: ids[i % ids.length]! }),
      channel: ['app', 'web', 'callCenter', 'sms', 'email'][i % 5]!,
      limit: 1 + Math.floor(random() * 4),
      ...(own
        ? { candidates: [{ id: 'x', features: { a: random() } }, { id: 'y' }, { id: 'z' }], allowNone: i % 2 === 0 }
        : { context: { page: 'bill', device: 'ios' } }),
    };
    const response = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload });
    expect(response.statusCode, response.body).toBe(201);
  }
  const receipts = await everyReceipt(serving.log);
  expect(receipts).toHaveLength(150);
  // From the receipts and the project alone, as another process would.
  const { catalog, featureSet } = compileProject(loadProject(CATALOG_DIR));
  let moved = 0;
  for (const receipt of receipts) {
    const input = { receipt, catalog, view: viewOfReceipt(receipt, featureSet) };
    expect(verifyReceipt(input)).toEqual([]);
    expect(redecide(input).chosen.map(({ actionId, probability }) => [actionId, probability])).toEqual(
      receipt.chosen.map(({ actionId, probability }) => [actionId, probability]),
    );
    const drawn = receipt.scored.length > 3 && receipt.chosen.length > 0;
    if (drawn) {
      const faults = verifyReceipt({ ...input, receipt: { ...receipt, seed: receipt.seed + 1 } });
      expect(faults[0]).toMatch(/^digest/);
      if (faults.length > 1) moved++;
    }
    if (drawn) {
      const propensities = receipt.propensities.map((value, index) => (index === 0 ? Math.fround(value * 0.5 + 0.01) : value));
      expect(verifyReceipt({ ...input, receipt: { ...receipt, propensities } })).not.toEqual([]);
    }
  }
  expect(moved).toBeGreaterThan(10);
  await serving.stop();
});

test('law 1: a receipt replays in a new instance after the catalog has changed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-catalog-'));
  cpSync(CATALOG_DIR, dir, { recursive: true });
  const serving = await openTestServing({ catalogDir: dir });
  const decided = (
    await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app', limit: 2 } })
  ).json<{ decisionId: string; catalogVersion: string }>();
  writeFileSync(join(dir, 'note.yaml'), 'changed: true\n');
  expect(await serving.reloadCatalog()).not.toBe(decided.catalogVersion);
  const fresh = await serving.again({ catalogDir: dir });
  const replayed = await fresh.app.inject({ method: 'POST', url: `/v1/decisions/${decided.decisionId}/replay` });
  expect(replayed.json(), replayed.body).toMatchObject({ identical: true, differences: [] });
  await fresh.close();
  await serving.stop();
  rmSync(dir, { recursive: true });
});

test('law 10: a bad catalog never replaces a good one, and its faults name file and line', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-catalog-'));
  cpSync(CATALOG_DIR, dir, { recursive: true });
  const serving = await openTestServing({ catalogDir: dir, config: { watchCatalog: true, modelPatienceMs: 0 } });
  const decide = async () =>
    (await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app' } })).json<{
      catalogVersion: string;
    }>();
  const before = await decide();
  writeFileSync(join(dir, 'policies.yaml'), 'contactPolicy:\n  - id: broken\n    require: "customer.plan ==="\n');
  await expect(serving.reloadCatalog()).rejects.toThrow(/policies\.yaml:3:/);
  const metrics = async (): Promise<string> => (await serving.app.inject({ method: 'GET', url: '/metrics' })).body;
  await expect.poll(metrics, { timeout: 5_000 }).toMatch(/attune_faults_total\{what="catalog"\} [1-9]/);
  expect((await decide()).catalogVersion).toBe(before.catalogVersion);
  writeFileSync(join(dir, 'policies.yaml'), 'contactPolicy: []\n');
  await expect.poll(async () => (await decide()).catalogVersion, { timeout: 5_000 }).not.toBe(before.catalogVersion);
  await serving.stop();
  rmSync(dir, { recursive: true });
});

/** The real store with another way of reading. */
const reading = (store: FeatureStore, read: FeatureStore['states']['read']): FeatureStore => ({
  states: {
    read,
    readMany: (keys) => store.states.readMany(keys),
    commit: (commits) => store.states.commit(commits),
    scan: (kind) => store.states.scan(kind),
  },
  timers: store.timers,
  blobs: store.blobs,
  requests: store.requests,
  documents: store.documents,
  reservations: store.reservations,
  mayLoseMs: store.mayLoseMs,
  onLoss: (listener) => store.onLoss(listener),
  leases: store.leases,
  close: () => store.close(),
});

test.each([
  ['fails', () => Promise.reject(new EngineUnavailable('feature-store', 'away'))],
  [
    'throws',
    () => {
      throw new EngineUnavailable('feature-store', 'away');
    },
  ],
  ['is slow', () => new Promise<Buffer>((resolve) => setTimeout(resolve, 2_000, Buffer.alloc(0)).unref())],
  ['answers with bytes that are no state', () => Buffer.from('this is not a state at all')],
])('law 6: a store that %s degrades the answer to default actions, in time', async (_, read) => {
  const serving = await openTestServing(({ store }) => ({
    store: reading(store, read),
    config: { deadlineMs: 60, appendBoundMs: 20_000, modelPatienceMs: 0, watchCatalog: false },
  }));
  const began = performance.now();
  const response = await serving.app.inject({
    method: 'POST',
    url: '/v1/decisions',
    payload: { customerId: 'c-1', channel: 'app', limit: 3 },
  });
  expect(response.statusCode, response.body).toBe(201);
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(response.json()).toMatchObject({ degraded: ['features', 'model'], recentMessages: null });
  const [receipt] = await everyReceipt(serving.log);
  const { catalog, featureSet } = compileProject(loadProject(CATALOG_DIR));
  expect(receipt).toMatchObject({ customerKnown: false, degraded: ['features', 'model'] });
  for (const action of catalog.actions)
    if (receipt!.stages[action.index] === STAGE.scored || receipt!.stages[action.index] === STAGE.chosen)
      expect(action.isDefault).toBe(true);
  expect(verifyReceipt({ receipt: receipt!, catalog, view: viewOfReceipt(receipt!, featureSet) })).toEqual([]);
  await serving.stop();
});

test('law 6: while the store is rebuilt nothing is read of it, since a consent may have been withdrawn after what it holds', async () => {
  const serving = await openTestServing({ config: { deadlineMs: 2_000, appendBoundMs: 20_000, modelPatienceMs: 0, watchCatalog: false } });
  await serving.knows('c-1', [{ type: 'customer.updated', data: { plan: 'premium', consentMarketing: true }, time: Date.now() }]);
  const degraded = async (): Promise<unknown> => {
    const payload = { customerId: 'c-1', channel: 'app', limit: 3 };
    const response = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload });
    expect(response.statusCode, response.body).toBe(201);
    return response.json<{ degraded: unknown }>().degraded;
  };
  expect(await degraded()).toEqual(['model']);
  await markRebuild(serving.store.leases);
  await expect.poll(degraded, { timeout: 5_000 }).toEqual(['features', 'model', 'rebuild']);
  expect((await serving.app.inject({ method: 'GET', url: '/v1/customers/c-1' })).statusCode).toBe(503);
  const receipt = (await everyReceipt(serving.log)).at(-1)!;
  const { catalog, featureSet } = compileProject(loadProject(CATALOG_DIR));
  for (const action of catalog.actions) if (receipt.stages[action.index] === STAGE.chosen) expect(action.isDefault).toBe(true);
  expect(verifyReceipt({ receipt, catalog, view: viewOfReceipt(receipt, featureSet) })).toEqual([]);
  await unmarkRebuild(serving.store.leases);
  await expect.poll(degraded, { timeout: 5_000 }).toEqual(['model']);
  expect((await serving.app.inject({ method: 'GET', url: '/v1/customers/c-1' })).statusCode).toBe(200);
  await serving.stop();
});

test('law 6: a store that cannot claim a requestId degrades the promise, not the answer', async () => {
  const serving = await openTestServing(({ store }) => ({
    store: {
      ...reading(store, (key, shard) => store.states.read(key, shard)),
      requests: { claim: () => Promise.reject(new EngineUnavailable('feature-store', 'away')) },
    },
  }));
  const response = await serving.app.inject({
    method: 'POST',
    url: '/v1/decisions',
    payload: { customerId: 'c-1', channel: 'app', requestId: 'r-1' },
  });
  expect(response.json(), response.body).toMatchObject({ degraded: ['model', 'request'] });
  await serving.stop();
});

/** The real log with another way of appending. */
const appending = (log: EventLog, append: EventLog['append']): EventLog => ({
  epoch: log.epoch,
  partitions: log.partitions,
  append,
  read: (...rest) => log.read(...rest),
  offsets: (...rest) => log.offsets(...rest),
  offsetAt: (...rest) => log.offsetAt(...rest),
  consume: (options) => log.consume(options),
  follow: (...rest) => log.follow(...rest),
  committed: (...rest) => log.committed(...rest),
  lag: (...rest) => log.lag(...rest),
  retain: (options) => log.retain(options),
  close: () => log.close(),
});

const EVENT = { specversion: '1.0', id: 'e', source: 's', type: 'page.viewed', subject: 'c-1', data: { page: 'bill' } };
const OUTCOME = { decisionId: '01934f00-0000-7000-8000-000000000000', actionId: 'a', outcome: 'clicked' };

test.each([
  ['refuses', () => Promise.reject(new EngineUnavailable('event-log', 'the disk is full'))],
  ['hangs', () => new Promise<never>(() => undefined)],
])('law 3: with a log that %s, nothing is promised: 503, and what is invalid is still a 400', async (_, append) => {
  let broken = false;
  const serving = await openTestServing(({ log }) => ({
    log: appending(log, (records) => (broken ? append() : log.append(records))),
    config: { appendBoundMs: 100, deadlineMs: 2_000, modelPatienceMs: 0, watchCatalog: false },
  }));
  broken = true;
  const post = (url: string, payload: object) => serving.app.inject({ method: 'POST', url, payload });
  for (const [url, payload] of [
    ['/v1/decisions', { customerId: 'c-1', channel: 'app' }],
    ['/v1/events', EVENT],
    ['/v1/outcomes', OUTCOME],
  ] as const) {
    const response = await post(url, payload);
    expect(response.statusCode, `${url} ${response.body}`).toBe(503);
    expect(response.json()).toMatchObject({ type: 'urn:attune:problem:not-durable', status: 503 });
  }
  expect((await serving.app.inject({ method: 'DELETE', url: '/v1/customers/c-1' })).statusCode).toBe(503);
  expect(
    (await serving.app.inject({ method: 'PUT', url: '/v1/controls', payload: { actor: 'a', reason: 'r', stopOutbound: true } })).statusCode,
  ).toBe(503);
  expect((await serving.app.inject({ method: 'GET', url: '/v1/controls' })).json()).toMatchObject({ version: 0, stopOutbound: false });
  expect((await post('/v1/decisions', { channel: 'pigeon' })).statusCode).toBe(400);
  broken = false;
  expect((await post('/v1/events', EVENT)).statusCode).toBe(202);
  await serving.stop();
});

test('law 4: a decision whose receipt reaches the log after its 503 is the one that the retry answers', async () => {
  let delayMs = 0;
  const serving = await openTestServing(({ log }) => ({
    log: appending(log, async (records) => {
      const waitMs = delayMs;
      delayMs = 0;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      return log.append(records);
    }),
    config: { appendBoundMs: 100, deadlineMs: 2_000, modelPatienceMs: 0, watchCatalog: false },
  }));
  await know(serving, 'c-1', 1);
  const ask = () =>
    serving.app.inject({
      method: 'POST',
      url: '/v1/decisions',
      payload: { customerId: 'c-1', requestId: 'r-late', channel: 'app', limit: 3 },
    });
  delayMs = 700;
  const statuses: number[] = [];
  let answer = await ask();
  for (let i = 0; i < 50 && answer.statusCode === 503; i++) {
    statuses.push(answer.statusCode);
    answer = await ask();
  }
  expect(statuses.length).toBeGreaterThan(1);
  const again = await ask();
  expect(again.json()).toEqual(answer.json());
  const receipts = await everyReceipt(serving.log);
  expect(receipts.map(({ chosen }) => chosen.map(({ actionId }) => actionId))).toEqual([
    answer.json<{ actions: { actionId: string }[] }>().actions.map(({ actionId }) => actionId),
  ]);
  await serving.stop();
});
