/** Whatever is sent, the API answers 2xx or 4xx, in one error shape, and goes on. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseApiKeys } from '../index.ts';
import { ControlsRequest, PromotionRequest } from '../schemas/controls.ts';
import { DecisionRequest } from '../schemas/decisions.ts';
import { CloudEvent, EventsBatch } from '../schemas/events.ts';
import { OutcomeRequest } from '../schemas/outcomes.ts';
import { openTestServing } from '../test-serving.ts';
import { arbitraryOfSchema } from './arbitrary-of-schema.ts';
import { mutated } from './mutations.ts';

const REQUESTS = 6_000;
const SEED = 20_261_123;
const AT_ONCE = 60;
const SECRET = 'fuzz-secret-fuzz-secret';

interface Shot {
  readonly method: 'POST' | 'PUT' | 'GET' | 'DELETE';
  readonly url: string;
  readonly payload?: string;
  readonly contentType: string;
}

test('no request, however wrong, is answered with a 5xx', { timeout: 120_000 }, async () => {
  const serving = await openTestServing({ apiKeys: parseApiKeys(`fuzz:decide+observe+read+admin:${SECRET}`) });
  const { app } = serving;
  const headers = { authorization: `Bearer ${SECRET}` };
  const first = await app.inject({ method: 'POST', url: '/v1/decisions', headers, payload: { customerId: 'c-1', channel: 'app' } });
  expect(first.statusCode).toBe(201);
  const { decisionId } = first.json<{ decisionId: string }>();

  const seen = new Map<number, number>();
  const shots = fc.sample(shotOf(decisionId), { numRuns: REQUESTS, seed: SEED });
  for (let at = 0; at < shots.length; at += AT_ONCE) {
    const answers = await Promise.all(
      shots.slice(at, at + AT_ONCE).map(async ({ method, url, payload, contentType }) => {
        const sent = { method, url, headers: { ...headers, ...(payload === undefined ? {} : { 'content-type': contentType }) } };
        return { shot: { method, url, payload }, answer: await app.inject(payload === undefined ? sent : { ...sent, payload }) };
      }),
    );
    for (const { shot, answer } of answers) {
      seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1);
      if (answer.statusCode >= 500) throw new Error(`${JSON.stringify(shot)} was answered ${answer.statusCode}: ${answer.body}`);
      if (answer.statusCode >= 400) {
        expect(answer.headers['content-type']).toContain('application/problem+json');
        expect(answer.json()).toMatchObject({
          type: expect.any(String),
          title: expect.any(String),
          status: answer.statusCode,
          detail: expect.any(String),
          errors: expect.any(Array),
        });
      }
    }
  }
  expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(5_000);
  // Both sides were reached: what is valid is still taken.
  for (const status of [200, 201, 202, 400, 404]) expect(seen.get(status) ?? 0).toBeGreaterThan(20);
  expect((await app.inject({ method: 'GET', url: '/readyz' })).statusCode).toBe(200);
  await serving.stop();
});

const shotOf = (decisionId: string): fc.Arbitrary<Shot> => {
  const hints = {
    channel: ['app', 'web', 'callCenter', 'sms', 'email'],
    direction: ['inbound', 'outbound'],
    decisionId: [decisionId, '01934f00-0000-7000-8000-000000000000', 'ffffffff-ffff-7fff-bfff-ffffffffffff'],
    outcome: ['impression', 'accepted', 'rejected', 'clicked'],
    type: ['page.viewed', 'bill.issued', 'customer.updated', 'attune.timer', 'no.such'],
    data: [{ page: 'bill' }, { amount: 10, overage: 1, dueInDays: 3 }, { plan: 'basic' }, { amount: 'ten' }],
    specversion: ['1.0'],
    datacontenttype: ['application/json'],
    pinnedModel: [null],
    pausedActions: [[]],
    pausedChannels: [[], ['sms'], ['app']],
    version: [0, 1],
    customerId: ['c-1', 'c-2', 'c-3'],
  };
  const json = fc.constant('application/json');
  const post = (url: string, schema: object, types: fc.Arbitrary<string> = json): fc.Arbitrary<Shot> =>
    fc.record({
      method: fc.constant('POST' as const),
      url: fc.constant(url),
      payload: mutated(arbitraryOfSchema(schema, hints)),
      contentType: types,
    });
  const path = fc.oneof(
    fc.constant(decisionId),
    fc.string({ maxLength: 40 }).map(encodeURIComponentSafely),
    fc.constantFrom('%zz', '%00', '..', 'ffffffff-ffff-7fff-bfff-ffffffffffff', 'x'.repeat(300)),
  );
  const bare = (method: Shot['method'], url: (id: string) => string): fc.Arbitrary<Shot> =>
    path.map((id) => ({ method, url: url(id), contentType: '' }));
  const cloudTypes = fc.constantFrom(
    'application/json',
    'application/cloudevents+json',
    'application/cloudevents-batch+json; charset=utf-8',
    'text/plain',
    'application/xml',
  );
  return fc.oneof(
    { weight: 10, arbitrary: post('/v1/decisions', DecisionRequest) },
    { weight: 6, arbitrary: post('/v1/outcomes', OutcomeRequest) },
    { weight: 4, arbitrary: post('/v1/events', CloudEvent, cloudTypes) },
    { weight: 3, arbitrary: post('/v1/events', EventsBatch, cloudTypes) },
    { weight: 2, arbitrary: post('/v1/controls', ControlsRequest).map((shot) => ({ ...shot, method: 'PUT' as const })) },
    { weight: 1, arbitrary: post('/v1/models/rollback', PromotionRequest) },
    { weight: 1, arbitrary: post('/v1/models/none/promote', PromotionRequest) },
    { weight: 1, arbitrary: post(`/v1/decisions/${decisionId}/replay`, DecisionRequest) },
    { weight: 1, arbitrary: bare('GET', (id) => `/v1/decisions/${id}`) },
    { weight: 1, arbitrary: bare('GET', (id) => `/v1/decisions/${id}/explanation`) },
    { weight: 1, arbitrary: bare('GET', (id) => `/v1/customers/${id}?kind=customer`) },
    { weight: 1, arbitrary: bare('DELETE', (id) => `/v1/customers/${id}`) },
    { weight: 1, arbitrary: bare('GET', (id) => `/${id}`) },
  );
};

const encodeURIComponentSafely = (text: string): string => encodeURIComponent(text.toWellFormed());
