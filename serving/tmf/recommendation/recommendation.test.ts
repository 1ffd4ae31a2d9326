/** TMF680 by inject, on the embedded engines: a query is a decision, and outcomes go by its id. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, decisionCodec, outcomeCodec } from '#contracts';
import { RECOMMENDATION_KIND } from './recommendation-store.ts';
import { openTestServing, type TestServing } from '../../test-serving.ts';
import type { TmfResource } from '../resource.ts';

const BASE = '/tmf-api/recommendationManagement/v4';
const QUERIES = `${BASE}/queryProductRecommendation`;
const DAY_MS = 86_400_000;

interface Recommendation extends TmfResource {
  readonly recommendationItem: readonly {
    readonly id: string;
    readonly priority: number;
    readonly product: {
      readonly '@type': string;
      readonly productOffering?: object;
      readonly productCharacteristic: readonly { readonly name: string; readonly value: unknown }[];
    };
    readonly productOffering?: object;
  }[];
}

let serving: TestServing;
let nowMs = Date.now();
beforeAll(async () => {
  serving = await openTestServing({ clock: () => nowMs });
  await serving.knows('c-1', [
    {
      type: 'customer.updated',
      data: { plan: 'basic', segment: 'consumer', tenureMonths: 30, consentMarketing: true },
      time: nowMs - 1_000,
    },
  ]);
});
afterAll(() => serving.stop());

const send = (method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', url: string, payload?: object) =>
  serving.app.inject(
    payload === undefined
      ? { method, url }
      : { method, url, payload: JSON.stringify(payload), headers: { 'content-type': 'application/json' } },
  );
const post = async (body: object): Promise<Recommendation> => {
  const answer = await send('POST', QUERIES, body);
  expect(answer.statusCode, answer.body).toBe(201);
  const created = answer.json<Recommendation>();
  expect(answer.headers.location).toBe(created.href);
  return created;
};
/** Doing nothing is a decision too; here one that does something is wanted. */
const postUntilSomething = async (body: object): Promise<Recommendation> => {
  for (let tries = 0; tries < 50; tries++) {
    const created = await post(body);
    if (created.recommendationItem.length > 0) return created;
  }
  throw new Error('nothing was recommended in 50 tries');
};
const characteristic = ({ product }: Recommendation['recommendationItem'][number], wanted: string): unknown =>
  product.productCharacteristic.find(({ name }) => name === wanted)?.value;
const decisionOf = async ({ id }: TmfResource) => {
  await serving.log.append([]);
  for (let partition = 0; partition < serving.log.partitions; partition++)
    for (const { value } of await serving.log.read(TOPICS.decisions, partition, 0, 10_000)) {
      const decision = decisionCodec.decode(value);
      if (decision.decisionId.toString('hex') === id.replaceAll('-', '')) return decision;
    }
  throw new Error(`there is no decision ${id}`);
};
/** TM Forum's own sample, as far as it can be posted: one channel and one party without brackets. */
const SAMPLE = {
  name: ' recommendation of the latest TMFone',
  description: 'Recommendation of the latest TMFone',
  instantSyncRecommendation: 'false',
  recommendationType: 'offer',
  '@type': 'recommendation',
  state: 'done',
  validFor: { startDateTime: '2019-07-03 T04:00:00.0Z' },
  channel: { id: '21', name: 'mobile app channel' },
  shoppingCart: { id: '65484jyuty57655' },
  relatedParty: { id: '34', name: 'John Smith', role: 'customer' },
  recommendationItem: [{ id: '1', priority: 1, product: {} }],
};

test("TM Forum's own sample is answered, and is a decision", async () => {
  const created = await post(SAMPLE);
  const { validFor: _validFor, recommendationItem: _items, ...told } = SAMPLE;
  expect(created).toMatchObject({ ...told, state: 'done', href: `${QUERIES}/${created.id}` });
  const decision = await decisionOf(created);
  expect(decision).toMatchObject({ cause: 'tmf680', direction: 'inbound', channel: 'app', subjectId: '34', subjectKind: 'customer' });
  expect(created.recommendationItem.map(({ id }) => id)).toEqual(decision.chosen.map(({ actionId }) => actionId));
  expect(JSON.parse(decision.scope!)).toEqual({ groups: ['offer'] });
  expect((await send('GET', created.href)).json()).toEqual(created);
});

test.each([
  ['without anything', {}],
  ['without a party', { name: 'whoever', channel: [{ id: 'web' }] }],
  ['of a party without an id', { relatedParty: { name: 'somebody', role: 'customer', '@referredType': 'Individual' } }],
])('a query %s is answered for nobody', async (_, body) => {
  const created = await postUntilSomething(body);
  expect(await decisionOf(created)).toMatchObject({ subjectId: null });
});

test('offers are product offerings; what sells nothing says so, and carries its texts', async () => {
  const offers = await postUntilSomething({ relatedParty: [{ id: 'c-1', role: 'Customer' }], category: [{ id: 'offer' }] });
  for (const item of offers.recommendationItem) {
    expect(item.product['@type']).toBe('Product');
    expect(item.productOffering).toMatchObject({ id: item.id, name: expect.any(String) });
    expect(item.product.productOffering).toEqual(item.productOffering);
    expect(characteristic(item, 'group')).toBe('offer');
  }
  const care = await postUntilSomething({
    relatedParty: { id: 'c-1' },
    category: [{ id: '7', name: 'Care' }],
    channel: [{ id: '9', name: 'Call center' }],
  });
  expect(care.recommendationItem.map(({ priority }) => priority)).toEqual(care.recommendationItem.map((_, index) => index + 1));
  for (const item of care.recommendationItem) {
    expect(item.product['@type']).toBe('RecommendedAction');
    expect(item.productOffering).toBeUndefined();
    expect(characteristic(item, 'title')).toEqual(expect.any(String));
  }
  expect((await decisionOf(care)).channel).toBe('callCenter');
});

test('its id takes outcomes', async () => {
  const created = await postUntilSomething({ relatedParty: { id: 'c-1', role: 'customer' } });
  const [first] = created.recommendationItem;
  const told = await send('POST', '/v1/outcomes', { decisionId: created.id, actionId: first!.id, outcome: 'accepted' });
  expect(told.statusCode, told.body).toBe(202);
  await serving.log.append([]);
  const decision = await decisionOf(created);
  const outcomes = [];
  for (let partition = 0; partition < serving.log.partitions; partition++)
    for (const { value } of await serving.log.read(TOPICS.outcomes, partition, 0, 10_000)) outcomes.push(outcomeCodec.decode(value));
  expect(outcomes.some(({ decisionId }) => decisionId.equals(decision.decisionId))).toBe(true);
});

test('lists filter, page and count; a customer’s own are found by the party', async () => {
  const mine = await post({ name: 'mine', relatedParty: { id: 'c-list' } });
  const found = await send('GET', `${QUERIES}?relatedParty.id=c-list&fields=name`);
  expect(found.statusCode).toBe(200);
  expect(found.json()).toEqual([{ id: mine.id, href: mine.href, name: 'mine' }]);
  const page = await send('GET', `${QUERIES}?offset=0&limit=1`);
  expect(page.statusCode).toBe(206);
  expect(page.headers['x-result-count']).toBe('1');
  expect(Number(page.headers['x-total-count'])).toBeGreaterThan(1);
  expect((await send('GET', `${QUERIES}?id=${mine.id},nobody`)).json()).toHaveLength(1);
});

test('what is wrong is named, and nothing but POST and GET is taken', async () => {
  for (const [body, field] of [
    [{ name: 7 }, 'name'],
    [{ channel: ['app'] }, 'channel.0'],
    [{ relatedParty: [{ id: { deep: true } }] }, 'relatedParty.0.id'],
  ] as const) {
    const answer = await send('POST', QUERIES, body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: expect.any(String), reason: 'Bad Request', message: expect.stringContaining(field) });
  }
  expect((await send('GET', `${QUERIES}/none`)).statusCode).toBe(404);
  for (const method of ['PATCH', 'PUT', 'DELETE'] as const) expect((await send(method, `${QUERIES}/none`, {})).statusCode).toBe(405);
});

test('subscribers are told of the query and that it is done', async () => {
  const hub = await send('POST', `${BASE}/hub`, { callback: 'https://example.org/told' });
  expect(hub.statusCode, hub.body).toBe(201);
  const { id } = await post({ name: 'told' });
  const { documents } = await serving.store.documents.list('notification', { limit: 10 });
  const told = documents.map(
    ({ body }) => JSON.parse(body.toString()) as { payload: { eventType: string; event: Record<string, TmfResource> } },
  );
  expect(told.map(({ payload }) => payload.eventType).toSorted()).toEqual([
    'QueryProductRecommendationCreateEvent',
    'QueryProductRecommendationStateChangeEvent',
  ]);
  for (const { payload } of told) expect(payload.event['queryProductRecommendation']).toMatchObject({ id, state: 'done' });
});

test('a query is kept for a month', async () => {
  const old = await post({ name: 'old' });
  nowMs += 31 * DAY_MS;
  const before = (await serving.store.documents.list(RECOMMENDATION_KIND, { limit: 1 })).total;
  for (let i = 0; i < before; i++) await post({ name: 'new' });
  expect((await send('GET', old.href)).statusCode).toBe(404);
  expect((await serving.store.documents.list(RECOMMENDATION_KIND, { limit: 1 })).total).toBeLessThan(before + 2);
});
