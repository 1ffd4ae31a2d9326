/** Law 3 with a distributed log: while it is away the API goes on, what it acknowledges is kept, and at the bound it says so. */
import { randomBytes } from 'node:crypto';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EngineUnavailable, TOPICS, decisionCodec, decisionIdFromBytes, eventCodec } from '#contracts';
import { openOutboxLog, type EventLog, type OutboxLog } from '#event-log';
import { encodeEntry } from '../event-log/lmdb/journal-entry.ts';
import { segmentFileName } from '../event-log/outbox/segment-name.ts';
import { createGate, type Gate } from '../event-log/outbox/test-gate.ts';
import { createServing, type Serving } from './index.ts';
import { CATALOG_DIR, ID_KEY, openTestServing, type TestServing } from './test-serving.ts';

let serving: TestServing;
let gate: Gate;
let log: OutboxLog;
let api: Serving;

/** Everything of the log is away, not its appends alone. */
const hideable = (real: EventLog): Gate => {
  const away = async <T>(answer: () => Promise<T>): Promise<T> => {
    if (made.mode === 'down') throw new EngineUnavailable('event-log', 'no broker is reachable');
    return answer();
  };
  const made = Object.assign(createGate(real), {
    read: (...args: Parameters<EventLog['read']>) => away(() => real.read(...args)),
    offsetAt: (...args: Parameters<EventLog['offsetAt']>) => away(() => real.offsetAt(...args)),
    close: async () => undefined,
  });
  return made;
};

const openApi = async (options: { readonly maxBytes?: number; readonly there?: () => boolean } = {}): Promise<void> => {
  log = await openOutboxLog({
    openLog: async () => {
      if (options.there?.() === false) throw new EngineUnavailable('event-log', 'no broker is reachable');
      return gate;
    },
    dir: join(serving.dir, 'outbox'),
    maxBytes: options.maxBytes ?? 50_000_000,
    waitMs: 100,
    patienceMs: 200,
  });
  api = await serving.again({ log, config: { appendBoundMs: 5_000, followPatienceMs: 200 } });
};

beforeEach(async () => {
  serving = await openTestServing();
  gate = hideable(serving.log);
});

afterEach(async () => {
  gate.mode = 'open';
  await api.close();
  await log.close();
  await serving.stop();
});

interface Answer {
  readonly decisionId: string;
  readonly degraded: readonly string[] | null;
}

const decide = (payload: object = {}) =>
  api.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app', ...payload } });
const observe = (id: string) =>
  api.app.inject({
    method: 'POST',
    url: '/v1/events',
    payload: { specversion: '1.0', id, source: 's', type: 'page.viewed', subject: 'c-1', data: { page: 'bill' } },
  });
const get = (url: string) => api.app.inject({ method: 'GET', url });
const healed = async (): Promise<void> => {
  for (const end = Date.now() + 20_000; log.outbox.isInUse();) {
    if (Date.now() > end) throw new Error('the outbox did not drain');
    await delay(5);
  }
};
const every = async (topic: 'attune.decisions' | 'attune.events' | 'attune.outcomes'): Promise<readonly Buffer[]> =>
  (await Promise.all(Array.from({ length: 4 }, (_, partition) => serving.log.read(topic, partition, 0, 10_000))))
    .flat()
    .map(({ value }) => value);

test('decisions, events and outcomes are acknowledged while the log is away, and are in it when it is back, once', async () => {
  await openApi();
  const before = (await decide()).json<Answer>();
  expect(before.degraded).toEqual(['model']);
  gate.mode = 'down';
  const first = await decide();
  expect(first.statusCode, first.body).toBe(201);
  const answers = [first, ...(await Promise.all(Array.from({ length: 20 }, () => decide())))];
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([201]));
  expect(answers.at(-1)!.json<Answer>().degraded).toEqual(['model', 'log']);
  expect((await observe('e-1')).statusCode).toBe(202);
  const outcome = { decisionId: first.json<Answer>().decisionId, actionId: 'help-videos', outcome: 'clicked' };
  expect((await api.app.inject({ method: 'POST', url: '/v1/outcomes', payload: outcome })).statusCode).toBe(202);

  expect((await get('/readyz')).json()).toEqual({ status: 'ok', degraded: ['log'] });
  const metrics = (await get('/metrics')).body;
  expect(metrics).toMatch(/^attune_outbox_records 23$/m);
  expect(metrics).toMatch(/^attune_outbox_circuit [12]$/m);
  expect(metrics).toMatch(/^attune_outbox_full_total 0$/m);
  expect(metrics).toMatch(/^attune_outbox_limit_bytes 50000000$/m);
  expect(Number(/^attune_outbox_bytes (\d+)$/m.exec(metrics)![1])).toBeGreaterThan(10_000);

  gate.mode = 'open';
  await healed();
  const ids = (await every(TOPICS.decisions)).map((value) => decisionIdFromBytes(decisionCodec.decode(value).decisionId));
  expect(ids.toSorted()).toEqual(
    [before, ...answers.map((answer) => answer.json<Answer>())].map(({ decisionId }) => decisionId).toSorted(),
  );
  expect((await every(TOPICS.events)).map((value) => eventCodec.decode(value).id)).toEqual(['e-1']);
  expect(await every(TOPICS.outcomes)).toHaveLength(1);
  expect((await get('/readyz')).json()).toEqual({ status: 'ok' });
  expect((await decide()).json<Answer>().degraded).toEqual(['model']);
  expect((await get('/metrics')).body).toMatch(/^attune_outbox_forwarded_total 23$/m);
});

test('a receipt is found while it waits, and after; one that cannot be looked for is a 503, not a 404', async () => {
  await openApi();
  const early = (await decide()).json<Answer>().decisionId;
  gate.mode = 'down';
  const late = (await decide()).json<Answer>().decisionId;
  expect((await get(`/v1/decisions/${late}`)).json()).toMatchObject({ decisionId: late, source: 'outbox' });
  expect((await get(`/v1/decisions/${early}`)).statusCode).toBe(503);
  gate.mode = 'open';
  await healed();
  for (const id of [early, late]) expect((await get(`/v1/decisions/${id}`)).json()).toMatchObject({ decisionId: id, source: 'log' });
});

test('a retry while the log is away is the same decision, from the disk', async () => {
  await openApi();
  gate.mode = 'down';
  const first = await decide({ requestId: 'r-1', limit: 3 });
  expect(first.statusCode).toBe(201);
  expect((await decide({ requestId: 'r-1', limit: 3 })).json()).toEqual(first.json());
});

test('however much waited on the disk before, a retry is the same decision', async () => {
  await openApi({ maxBytes: 500_000_000 });
  gate.mode = 'down';
  const values = Array.from({ length: 4_000 }, () => randomBytes(2_000));
  const records = values.map((value) => ({ topic: TOPICS.decisions, shard: 0, value }));
  const openedAtMs = Date.now() - 10_000;
  const entries = records.map((record, number) => encodeEntry({ number, acceptedAtMs: openedAtMs, records: [record] }));
  const header = Buffer.concat([Buffer.from('ATTUNEo1'), Buffer.alloc(8)]);
  header.writeDoubleLE(16, 8);
  for (let index = 0; index < 16; index++) {
    const name = segmentFileName({ owner: 'another-container:1@1', box: 'x', index, openedAtMs });
    writeFileSync(join(serving.dir, 'outbox', name), Buffer.concat([header, ...entries]));
    utimesSync(join(serving.dir, 'outbox', name), openedAtMs / 1_000, openedAtMs / 1_000);
  }
  const first = await decide({ requestId: 'r-1', limit: 3 });
  expect((await decide({ requestId: 'r-1', limit: 3 })).json()).toEqual(first.json());
});

test('a retry whose first receipt only the log knows is answered under the same id, and says so', async () => {
  await openApi();
  const first = await decide({ requestId: 'r-1' });
  gate.mode = 'down';
  const again = await decide({ requestId: 'r-1' });
  expect(again.statusCode, again.body).toBe(201);
  expect(again.json<Answer>().decisionId).toBe(first.json<Answer>().decisionId);
  expect(again.json<Answer>().degraded).toContain('request');
});

test('at the bound: a 503 that says why, counted, and none of it is in the log later', async () => {
  await openApi({ maxBytes: 20_000 });
  gate.mode = 'down';
  const answers = [];
  for (let i = 0; i < 60; i++) answers.push(await decide());
  const refused = answers.filter(({ statusCode }) => statusCode === 503);
  const taken = answers.filter(({ statusCode }) => statusCode === 201);
  expect(refused.length + taken.length).toBe(60);
  expect(refused.length).toBeGreaterThan(5);
  expect(refused[0]!.json()).toMatchObject({
    type: 'urn:attune:problem:outbox-full',
    detail: expect.stringContaining('the event log does not answer'),
  });
  expect((await get('/metrics')).body).toMatch(new RegExp(`^attune_outbox_full_total ${refused.length}$`, 'm'));
  gate.mode = 'open';
  await healed();
  expect(await every(TOPICS.decisions)).toHaveLength(taken.length);
});

test('controls and erasures are refused while nobody could see them', async () => {
  await openApi();
  gate.mode = 'down';
  await decide();
  const put = await api.app.inject({ method: 'PUT', url: '/v1/controls', payload: { actor: 'a', reason: 'r', stopOutbound: true } });
  expect(put.statusCode).toBe(503);
  expect((await api.app.inject({ method: 'DELETE', url: '/v1/customers/c-1' })).statusCode).toBe(503);
  expect((await get('/v1/controls')).json()).toMatchObject({ version: 0 });
});

test('a process that starts while the log is away goes by the controls that were seen here last, and is ready', async () => {
  await openApi();
  await api.app.inject({ method: 'PUT', url: '/v1/controls', payload: { actor: 'a', reason: 'r', pausedActions: ['help-videos'] } });
  for (const end = Date.now() + 5_000; !(await controlsAreKept());) {
    if (Date.now() > end) throw new Error('the controls were not kept');
    await delay(50);
  }
  await api.close();
  await log.close();
  let there = false;
  await openApi({ there: () => there });
  expect((await get('/readyz')).json()).toEqual({ status: 'ok', degraded: ['log'] });
  expect((await get('/v1/controls')).json()).toMatchObject({ version: 1, pausedActions: ['help-videos'] });
  const answer = await decide();
  expect(answer.statusCode, answer.body).toBe(201);
  expect(answer.json<Answer>().degraded).toContain('log');
  there = true;
  await healed();
  expect((await get(`/v1/decisions/${answer.json<Answer>().decisionId}`)).json()).toMatchObject({ source: 'log' });
});

/** The control's record has come back from the log, and so to the memory. */
const controlsAreKept = async (): Promise<boolean> => {
  const { version } = (await get('/v1/controls')).json<{ version: number }>();
  const seen: number[] = [];
  const follower = log.follow([TOPICS.controls], () => seen.push(1));
  await follower.caughtUp;
  await follower.stop();
  return version === 1 && seen.length === 1;
};

test('a process that never saw the controls says why it is not ready, and still answers', async () => {
  let there = false;
  log = await openOutboxLog({
    openLog: async () => {
      if (!there) throw new EngineUnavailable('event-log', 'no broker is reachable');
      return gate;
    },
    dir: join(serving.dir, 'another-outbox'),
    maxBytes: 1_000_000,
    patienceMs: 50,
  });
  api = await createServing({
    log,
    store: serving.store,
    archive: null,
    catalogDir: CATALOG_DIR,
    idKey: ID_KEY,
    apiKeys: [],
    clock: Date.now,
    random: Math.random,
    config: { followPatienceMs: 50, modelPatienceMs: 0, watchCatalog: false, deadlineMs: 2_000, appendBoundMs: 5_000 },
  });
  await delay(300);
  const readiness = await get('/readyz');
  expect(readiness.statusCode).toBe(503);
  expect(readiness.json()).toMatchObject({ detail: expect.stringContaining('the controls in force are not known') });
  expect((await decide()).statusCode).toBe(201);
  there = true;
  await api.ready;
  expect((await get('/readyz')).statusCode).toBe(200);
  await healed();
  expect(await every(TOPICS.decisions)).toHaveLength(1);
});
