/** The API end to end by inject, on the embedded engines. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  TOPICS,
  createCustomerKey,
  createDecisionId,
  customerKeyToBytes,
  decisionCodec,
  eventCodec,
  outcomeCodec,
  parseDecisionId,
  partitionOf,
  shardOf,
  shardOfDecision,
} from '#contracts';
import { addRecent, compileFeatures, emptyState, encodeState } from '#feature-store';
import { loadProject } from '#project';
import { CATALOG_DIR, ID_KEY, openTestServing, type TestServing } from './test-serving.ts';

let serving: TestServing;
beforeAll(async () => {
  serving = await openTestServing();
  const hour = 3_600_000;
  await serving.knows('c-1001', [
    {
      type: 'customer.updated',
      data: { plan: 'standard', segment: 'consumer', consentMarketing: true, tenureMonths: 30, deviceTier: 'mid' },
      time: Date.now() - 48 * hour,
    },
    { type: 'bill.issued', data: { amount: 61, overage: 12, dueInDays: 14 }, time: Date.now() - 24 * hour },
  ]);
});
afterAll(() => serving.stop());

const post = (url: string, payload: object, headers: Record<string, string> = {}) =>
  serving.app.inject({ method: 'POST', url, payload, headers });
const get = (url: string) => serving.app.inject({ method: 'GET', url });

interface Answer {
  decisionId: string;
  customerId: string | null;
  degraded: string[] | null;
  group: string;
  modelVersion: string;
  actions: { rank: number; actionId: string; probability: number; content: Record<string, string> }[];
}

test('a decision is answered 201 with its receipt durable and readable', async () => {
  const response = await post('/v1/decisions', {
    customerId: 'c-1001',
    channel: 'app',
    limit: 3,
    context: { page: 'bill', device: 'ios' },
  });
  expect(response.statusCode, response.body).toBe(201);
  const answer = response.json<Answer>();
  expect(answer.customerId).toBe('c-1001');
  expect(answer.actions.map(({ rank }) => rank)).toEqual(answer.actions.map((_, index) => index + 1));
  const id = parseDecisionId(answer.decisionId)!;
  expect(shardOfDecision(id)).toBe(shardOf('c-1001'));
  await serving.log.append([]);
  const records = await serving.log.read(TOPICS.decisions, partitionOf(shardOfDecision(id), serving.log.partitions), 0, 100);
  const logged = decisionCodec.decode(records.at(-1)!.value);
  expect(logged.customerKnown).toBe(true);
  expect(logged.chosen.map(({ actionId }) => actionId)).toEqual(answer.actions.map(({ actionId }) => actionId));

  const receipt = await get(`/v1/decisions/${answer.decisionId}`);
  expect(receipt.statusCode, receipt.body).toBe(200);
  expect(receipt.json()).toMatchObject({
    decisionId: answer.decisionId,
    channel: 'app',
    context: { page: 'bill', device: 'ios' },
    source: 'log',
  });
  expect(receipt.json<{ features: Record<string, number> }>().features['billAmountLast']).toBe(61);

  const explanation = await get(`/v1/decisions/${answer.decisionId}/explanation`);
  expect(explanation.statusCode, explanation.body).toBe(200);
  expect(explanation.json<{ candidates: { reason: string }[] }>().candidates.every(({ reason }) => reason.length > 0)).toBe(true);

  const replayed = await serving.app.inject({
    method: 'POST',
    url: `/v1/decisions/${answer.decisionId}/replay`,
    headers: { 'content-type': 'application/json' },
  });
  expect(replayed.statusCode, replayed.body).toBe(200);
  expect(replayed.json()).toMatchObject({ identical: true, differences: [] });
});

test('the probabilities of all candidates and none sum to one', async () => {
  const answer = (await post('/v1/decisions', { customerId: 'c-1001', channel: 'web', limit: 1, explain: true })).json<
    Answer & { candidates: object[] }
  >();
  const receipt = (await get(`/v1/decisions/${answer.decisionId}`)).json<{ probabilities: number[] }>();
  expect(receipt.probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
  expect(answer.candidates.length).toBeGreaterThanOrEqual(40);
});

test('without a model the priors decide and the answer says so', async () => {
  const answer = (await post('/v1/decisions', { customerId: 'c-1001', channel: 'app' })).json<Answer>();
  expect(answer.modelVersion).toBe('priors');
  expect(answer.degraded).toEqual(['model']);
});

test('a visitor, and nobody at all, are decided for too', async () => {
  const visitor = (await post('/v1/decisions', { anonymousId: 'cookie-7', channel: 'web' })).json<Answer>();
  expect(visitor.customerId).toBeNull();
  expect(shardOfDecision(parseDecisionId(visitor.decisionId)!)).toBe(shardOf('cookie-7'));
  const nobody = await post('/v1/decisions', { channel: 'web' });
  expect(nobody.statusCode).toBe(201);
  expect((await get(`/v1/decisions/${nobody.json<Answer>().decisionId}`)).json()).toMatchObject({ anonymous: true, subjectId: null });
});

test("the caller's own candidates are decided among, and only they", async () => {
  const candidates = [{ id: 'a', features: { price: 3, kind: 'x' } }, { id: 'b' }, { id: 'c' }];
  const response = await post('/v1/decisions', { customerId: 'c-1001', channel: 'app', limit: 2, loop: 'bank', candidates });
  expect(response.statusCode, response.body).toBe(201);
  const { actions, decisionId } = response.json<Answer>();
  expect(actions).toHaveLength(2);
  for (const action of actions) expect(['a', 'b', 'c']).toContain(action.actionId);
  const replayed = await post(`/v1/decisions/${decisionId}/replay`, {});
  expect(replayed.json()).toMatchObject({ identical: true });
  const twins = await post('/v1/decisions', { channel: 'app', candidates: [{ id: 'a' }, { id: 'a' }] });
  expect(twins.json()).toMatchObject({ status: 400, errors: [{ field: 'candidates.1.id' }] });
});

test('a decision asked for some actions only chooses among them, and its receipt says so', async () => {
  const scope = { topics: ['billing'], actions: ['music-pass'] };
  const response = await post('/v1/decisions', { customerId: 'c-1001', channel: 'app', limit: 5, explain: true, scope });
  expect(response.statusCode).toBe(201);
  const { decisionId, candidates } = response.json<Answer & { candidates: { actionId: string; stage: string }[] }>();
  const inScope = candidates.filter(({ stage }) => stage !== 'scope').map(({ actionId }) => actionId);
  expect(inScope).toContain('music-pass');
  expect(inScope).not.toContain('fiber-500');
  const receipt = (await get(`/v1/decisions/${decisionId}`)).json<Record<string, unknown>>();
  expect(receipt).toMatchObject({ scope, cause: '', rootId: null, holdouts: [], heldOut: -1 });
  expect((await post(`/v1/decisions/${decisionId}/replay`, {})).json()).toMatchObject({ identical: true });
  for (const [wrong, field] of [
    [{ topics: ['bilking'] }, 'scope.topics.0'],
    [{ actions: ['music-pass', 'gone'] }, 'scope.actions.1'],
    [{ groups: ['gone'] }, 'scope.groups.0'],
  ] as const) {
    const refused = await post('/v1/decisions', { customerId: 'c-1001', channel: 'app', scope: wrong });
    expect(refused.statusCode).toBe(400);
    expect(refused.body).toContain(field);
  }
  expect((await post('/v1/decisions', { channel: 'app', scope: {} })).statusCode).toBe(400);
  expect((await post('/v1/decisions', { channel: 'app', scope, candidates: [{ id: 'a' }] })).statusCode).toBe(400);
});

test('a requestId makes a retry the same decision: at once, later, and after a restart', async () => {
  const body = { customerId: 'c-1001', channel: 'app', limit: 3, requestId: 'r-1' };
  const together = await Promise.all(Array.from({ length: 5 }, () => post('/v1/decisions', body)));
  for (const response of together) expect(response.statusCode, response.body).toBe(201);
  const later = await post('/v1/decisions', body);
  const restarted = await serving.again();
  const afterRestart = await restarted.app.inject({ method: 'POST', url: '/v1/decisions', payload: body });
  await restarted.close();
  const bodies = new Set([...together, later, afterRestart].map((response) => response.body));
  expect(bodies.size).toBe(1);
  const other = await post('/v1/decisions', { ...body, customerId: 'c-1002' });
  expect(other.json<Answer>().decisionId).not.toBe(later.json<Answer>().decisionId);
});

test("an outcome is taken with its decision's shard, and the same content twice has one id", async () => {
  const { decisionId } = (await post('/v1/decisions', { customerId: 'c-1001', channel: 'app' })).json<Answer>();
  const body = { decisionId, actionId: 'any', outcome: 'accepted', amount: 12.5, occurredAt: '2026-01-02T03:04:05Z' };
  const [one, two] = await Promise.all([post('/v1/outcomes', body), post('/v1/outcomes', body)]);
  expect(one.statusCode, one.body).toBe(202);
  expect(one.body).toBe(two.body);
  const shard = shardOfDecision(parseDecisionId(decisionId)!);
  await serving.log.append([]);
  const records = await serving.log.read(TOPICS.outcomes, partitionOf(shard, serving.log.partitions), 0, 100);
  expect(outcomeCodec.decode(records.at(-1)!.value)).toMatchObject({
    outcome: 'accepted',
    amount: 12.5,
    occurredAt: Date.parse('2026-01-02T03:04:05Z'),
    reward: null,
  });
  expect((await post('/v1/outcomes', { ...body, outcome: 'adored' })).json()).toMatchObject({
    status: 400,
    errors: [{ field: 'outcome' }],
  });
  expect((await post('/v1/outcomes', { ...body, decisionId: 'd-1' })).json()).toMatchObject({
    status: 400,
    errors: [{ field: 'decisionId' }],
  });
});

const event = (over: object = {}) => ({
  specversion: '1.0',
  id: 'e-1',
  source: '/crm',
  type: 'bill.issued',
  subject: 'c-9',
  data: { amount: 10, overage: 0, dueInDays: 3 },
  ...over,
});

test('events are taken one or in a batch, structured or plain, all or none', async () => {
  const one = await post('/v1/events', event(), { 'content-type': 'application/cloudevents+json' });
  expect(one.statusCode, one.body).toBe(202);
  expect(one.json()).toEqual({ accepted: 1 });
  const batch = await post(
    '/v1/events',
    [event({ id: 'e-2' }), event({ id: 'e-3', partitionkey: 'extension', time: '2026-02-03T00:00:00Z' })],
    { 'content-type': 'application/cloudevents-batch+json' },
  );
  expect(batch.json()).toEqual({ accepted: 2 });
  await serving.log.append([]);
  const records = await serving.log.read(TOPICS.events, partitionOf(shardOf('c-9'), serving.log.partitions), 0, 100);
  expect(records.map(({ value }) => eventCodec.decode(value).id)).toEqual(['e-1', 'e-2', 'e-3']);

  const half = await post('/v1/events', [event({ id: 'e-4' }), event({ id: 'e-5', data: { amount: 'ten', overage: 0, dueInDays: 3 } })]);
  expect(half.json()).toMatchObject({ status: 400, errors: [{ field: '1.data.amount' }] });
  await serving.log.append([]);
  const after = await serving.log.read(TOPICS.events, partitionOf(shardOf('c-9'), serving.log.partitions), 0, 100);
  expect(after).toHaveLength(3);
});

test.each([
  [{ type: 'no.such' }, 'type'],
  [{ type: 'attune.timer' }, 'type'],
  [{ source: 'attune-source:usage/1' }, 'source'],
  [{ specversion: '0.3' }, 'specversion'],
  [{ subject: undefined }, 'subject'],
  [{ subject: ' ' }, 'subject'],
  [{ time: 'yesterday' }, 'time'],
  [{ data: 'text' }, 'data'],
  [{ Custom: 1 }, 'Custom'],
])('an event with %j is refused, naming %s', async (over, field) => {
  const response = await post('/v1/events', event(over));
  expect(response.statusCode).toBe(400);
  expect(response.json<{ errors: { field: string }[] }>().errors[0]!.field).toBe(field);
});

test.each([
  [{ channel: 'app', custommerId: 'c' }, 'custommerId'],
  [{ customerId: 'c' }, 'channel'],
  [{ channel: 'pigeon' }, 'channel'],
  [{ channel: 'app', direction: 'outbound' }, 'direction'],
  [{ channel: 'app', limit: '3' }, 'limit'],
  [{ channel: 'app', limit: 0 }, 'limit'],
  [{ channel: 'app', context: { deep: { er: 1 } } }, 'context.deep'],
  [{ channel: 'app', customerId: '' }, 'customerId'],
  [{ channel: 'app', candidates: [{ id: 'a', features: { x: null } }] }, 'candidates.0.features.x'],
  [{ channel: 'app', loop: 'x' }, 'loop'],
])('a decision asked with %j is refused, naming %s', async (body, field) => {
  const response = await post('/v1/decisions', body);
  expect(response.statusCode, response.body).toBe(400);
  expect(response.headers['content-type']).toContain('application/problem+json');
  expect(response.json<{ errors: { field: string }[] }>().errors[0]!.field).toBe(field);
});

test('what is no JSON, empty, or too large is told plainly', async () => {
  const send = (payload: string, contentType = 'application/json') =>
    serving.app.inject({ method: 'POST', url: '/v1/decisions', payload, headers: { 'content-type': contentType } });
  expect((await send('{"channel":')).statusCode).toBe(400);
  expect((await send('')).statusCode).toBe(400);
  expect((await send('{"__proto__":{"a":1},"channel":"app"}')).statusCode).toBe(400);
  const large = await send(JSON.stringify({ channel: 'x'.repeat(1_100_000) }));
  expect(large.json()).toMatchObject({ status: 413, detail: expect.stringContaining('1 MiB') });
  expect((await send('<xml/>', 'application/xml')).statusCode).toBe(415);
  expect((await get('/v1/nothing')).json()).toMatchObject({ status: 404 });
});

test('a customer is shown as decisions see them, and is gone after erasure with the receipts from before', async () => {
  await serving.knows('c-gone', [{ type: 'customer.updated', data: { plan: 'basic' }, time: Date.now() - 1_000 }]);
  expect((await get('/v1/customers/c-gone')).json()).toMatchObject({ customerId: 'c-gone', attributes: { plan: 'basic' } });
  const before = (await post('/v1/decisions', { customerId: 'c-gone', channel: 'app' })).json<Answer>();
  expect((await get(`/v1/decisions/${before.decisionId}`)).statusCode).toBe(200);
  const erased = await serving.app.inject({ method: 'DELETE', url: '/v1/customers/c-gone' });
  expect(erased.statusCode).toBe(202);
  expect((await get('/v1/customers/c-gone')).statusCode).toBe(404);
  expect((await get(`/v1/decisions/${before.decisionId}`)).statusCode).toBe(404);
  await new Promise((resolve) => setTimeout(resolve, 2));
  const after = (await post('/v1/decisions', { customerId: 'c-gone', channel: 'app' })).json<Answer>();
  expect((await get(`/v1/decisions/${after.decisionId}`)).json()).toMatchObject({ customerKnown: false, state: '' });
  expect((await get('/v1/customers/never-heard')).statusCode).toBe(404);
});

test('controls need actor and reason, are in force at once and in other processes within 2 s, and are replayed', async () => {
  const other = await serving.again();
  const put = (payload: object) => serving.app.inject({ method: 'PUT', url: '/v1/controls', payload });
  expect((await put({ explorationOff: true })).statusCode).toBe(400);
  expect((await put({ actor: 'ana', reason: 'x', pausedActions: ['no-such-action'] })).json()).toMatchObject({
    status: 400,
    errors: [{ field: 'pausedActions.0' }],
  });
  const on = await put({ actor: 'ana', reason: 'audit', explorationOff: true, pausedChannels: ['web'] });
  expect(on.statusCode, on.body).toBe(200);
  const { version } = on.json<{ version: number }>();
  expect((await put({ actor: 'bo', reason: 'late', version: version - 1 })).statusCode).toBe(409);

  const paused = (await post('/v1/decisions', { customerId: 'c-1001', channel: 'web' })).json<Answer>();
  expect(paused.actions).toEqual([]);
  const greedy = (await post('/v1/decisions', { customerId: 'c-1001', channel: 'app' })).json<Answer>();
  expect((await get(`/v1/decisions/${greedy.decisionId}`)).json()).toMatchObject({ controlsVersion: version });
  const changed = async (): Promise<boolean> =>
    (await other.app.inject({ method: 'GET', url: '/v1/controls' })).json<{ version: number }>().version === version;
  await expect.poll(changed, { timeout: 2_000 }).toBe(true);

  await put({ actor: 'ana', reason: 'done', explorationOff: false, pausedChannels: [] });
  for (const id of [paused.decisionId, greedy.decisionId])
    expect((await post(`/v1/decisions/${id}/replay`, {})).json()).toMatchObject({ identical: true });
  await other.close();
});

test('who pauses leaves a notice, who resumes removes it; what the machine sets is only shown', async () => {
  const put = async (payload: object) => (await serving.app.inject({ method: 'PUT', url: '/v1/controls', payload })).json<object>();
  const notices = async (payload: object) => ((await put(payload)) as { notices: { by: string }[] }).notices;
  const ana = { kind: 'action', name: 'help-videos', by: 'ana', reason: 'dead link', at: expect.stringMatching(/Z$/) };
  expect(await notices({ actor: 'ana', reason: 'dead link', pausedActions: ['help-videos'] })).toEqual([ana]);
  const both = { actor: 'bo', reason: 'audit', pausedActions: ['help-videos'], pausedChannels: ['web'] };
  expect(await notices(both)).toEqual([ana, { kind: 'channel', name: 'web', by: 'bo', reason: 'audit', at: expect.any(String) }]);
  expect(await notices({ actor: 'ana', reason: 'mended', pausedActions: [] })).toEqual([expect.objectContaining({ name: 'web' })]);
  expect(await put({ actor: 'bo', reason: 'done', pausedChannels: [] })).toMatchObject({ notices: [], downChannels: [], holdouts: [] });
  expect(await put({ actor: 'attune', reason: 'x' })).toMatchObject({ status: 400, errors: [{ field: 'actor' }] });
  expect(await put({ actor: 'bo', reason: 'x', holdouts: [] })).toMatchObject({ status: 400 });
});

test('changes through several processes at once are all in force afterwards', async () => {
  const other = await serving.again();
  const put = async (app: typeof serving.app, payload: object) =>
    (await app.inject({ method: 'PUT', url: '/v1/controls', payload: { actor: 'ana', reason: 'r', ...payload } })).statusCode;
  expect(await Promise.all([put(serving.app, { explorationOff: true }), put(other.app, { stopOutbound: true })])).toEqual([200, 200]);
  const both = { explorationOff: true, stopOutbound: true };
  await expect.poll(async () => (await other.app.inject({ method: 'GET', url: '/v1/controls' })).json<object>()).toMatchObject(both);
  expect(await put(serving.app, { explorationOff: false, stopOutbound: false })).toBe(200);
  await other.close();
});

test('health, readiness, metrics and the OpenAPI document are there', async () => {
  expect((await get('/healthz')).json()).toEqual({ status: 'ok' });
  expect((await get('/readyz')).statusCode).toBe(200);
  const metrics = await get('/metrics');
  expect(metrics.headers['content-type']).toContain('text/plain');
  expect(metrics.body).toMatch(/attune_decisions_total\{group="model",degraded="model"\} \d+/);
  const { paths } = (await get('/docs/json')).json<{ paths: Record<string, object> }>();
  for (const path of [
    '/v1/decisions',
    '/v1/outcomes',
    '/v1/events',
    '/v1/customers/{id}',
    '/v1/decisions/{id}',
    '/v1/decisions/{id}/explanation',
    '/v1/decisions/{id}/replay',
    '/v1/models',
    '/v1/models/{version}/promote',
    '/v1/models/rollback',
    '/v1/controls',
  ]) {
    expect(Object.keys(paths)).toContain(path);
  }
  expect((await get('/docs')).statusCode).toBeLessThan(400);
});

test('when the customer comes to us anyway, the answer says what we sent and why', async () => {
  const featureSet = compileFeatures(loadProject(CATALOG_DIR));
  const state = emptyState(featureSet);
  const nowMs = Date.now();
  const message = {
    decisionId: createDecisionId({ atMs: nowMs, shard: 1, entropy: [1, 2] }),
    actionId: 'overage-advice',
    treatmentId: 'overage-advice-sms',
    channel: 'sms',
    cause: 'trigger:bill-shock',
    state: 'delivered' as const,
    reasonCode: null,
    atMs: nowMs - 3_600_000,
    endMs: nowMs + 3_600_000,
  };
  addRecent(state, message);
  addRecent(state, { ...message, decisionId: createDecisionId({ atMs: nowMs, shard: 1, entropy: [3, 4] }), endMs: nowMs - 1 });
  const key = customerKeyToBytes(createCustomerKey(ID_KEY)({ kind: 'customer', id: 'c-told' }));
  const commit = { key, shard: shardOf('c-told'), value: encodeState(state, nowMs), expected: null, companions: [] };
  await serving.store.states.commit([{ ...commit, timer: { from: null, to: null } }]);

  const called = { customerId: 'c-told', channel: 'callCenter', requestId: 'called-1' };
  const told = [
    {
      decisionId: message.decisionId,
      actionId: 'overage-advice',
      actionName: 'Avoid the next overage',
      treatmentId: 'overage-advice-sms',
      channel: 'sms',
      at: new Date(message.atMs).toISOString(),
      state: 'delivered',
      stateReason: null,
      why: { cause: 'trigger:bill-shock', description: expect.stringMatching(/\w+/) as string, reason: 'billing' },
    },
  ];
  expect((await post('/v1/decisions', called)).json()).toMatchObject({ recentMessages: told });
  // Asked again, it is the same answer.
  expect((await post('/v1/decisions', called)).json()).toMatchObject({ recentMessages: told });
  expect((await get('/v1/customers/c-told')).json()).toMatchObject({ outreach: { recentMessages: told, planned: [], open: [] } });
  expect((await post('/v1/decisions', { customerId: 'c-1001', channel: 'app' })).json()).toMatchObject({ recentMessages: [] });
  const outbound = { customerId: 'c-told', channel: 'callCenter', direction: 'outbound' };
  expect((await post('/v1/decisions', outbound)).json()).not.toHaveProperty('recentMessages');
});
