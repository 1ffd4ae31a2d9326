/** Challengers beside a champion: tried in the shadow, given a share of the customers, promoted and rolled back under load. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Publication } from '#models';
import type { PromotionQuestion, PromotionReport } from './index.ts';
import { announceModel, catalogLearner } from './test-models.ts';
import { openTestServing, type TestServing } from './test-serving.ts';

interface Answer {
  readonly modelVersion: string;
  readonly group: string;
}
interface Model {
  readonly version: string;
  readonly role: string;
  readonly share: number;
  readonly shadow: {
    readonly decisions: number;
    readonly agreement: number;
    readonly latencyUs: { p50: number };
    readonly failures: number;
  } | null;
}

let serving: TestServing;
let champion: Publication;
let challenger: Publication;
let other: Publication;
let url: string;
let judge: (question: PromotionQuestion) => PromotionReport;
const by = { actor: 'ana', reason: 'a test' };

beforeAll(async () => {
  serving = await openTestServing({ config: { shadowShare: 1 }, judge: async (question) => judge(question) });
  [champion, challenger, other] = [catalogLearner(1).publish(), catalogLearner(2).publish(), catalogLearner(3).publish()];
  await announceModel(serving, champion, 'champion');
  url = await serving.app.listen({ host: '127.0.0.1', port: 0 });
  await vi.waitUntil(async () => (await decide('c-0')).body.modelVersion === champion.version, { timeout: 20_000 });
  await announceModel(serving, challenger, 'challenger');
  await announceModel(serving, other, 'challenger', { roleAt: 1 });
}, 60_000);
afterAll(() => serving.stop());

const decide = async (customerId: string): Promise<{ status: number; body: Answer }> => {
  const response = await fetch(`${url}/v1/decisions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customerId, channel: 'app', limit: 2 }),
  });
  return { status: response.status, body: (await response.json()) as Answer };
};
const models = async () => ((await (await fetch(`${url}/v1/models`)).json()) as { models: Model[] }).models;
const model = async (version: string) => (await models()).find((one) => one.version === version);
const send = async (method: string, path: string, body: object) => {
  const response = await fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test('what the champion decided its challengers decide again after the answer has left, and neither is served', async () => {
  const served = new Set<string>();
  await expect
    .poll(
      async () => {
        for (let i = 0; i < 20; i++) served.add((await decide(`c-${i}`)).body.modelVersion);
        return Math.min((await model(challenger.version))?.shadow?.decisions ?? 0, (await model(other.version))?.shadow?.decisions ?? 0);
      },
      { timeout: 30_000 },
    )
    .toBeGreaterThanOrEqual(10);
  expect([...served]).toEqual([champion.version]);
  const { shadow, share } = (await model(challenger.version))!;
  expect(share).toBe(0);
  expect(shadow!.failures).toBe(0);
  expect(shadow!.agreement).toBeGreaterThanOrEqual(0);
  expect(shadow!.latencyUs.p50).toBeGreaterThan(0);
  expect((await model(champion.version))!.shadow).toBeNull();
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/attune_shadow_p99_seconds\{.*of="challenger".*\} [\d.e-]+/);
});

test('a share of the customers is served by a challenger within 2 s, always the same ones, and the receipt says by which', async () => {
  const versionsOf = async (): Promise<string[]> =>
    Promise.all(Array.from({ length: 60 }, async (_, i) => (await decide(`s-${i}`)).body.modelVersion));
  const share = async (staged: object[]) => {
    const put = await send('PUT', '/v1/controls', { ...by, staged });
    expect(put.status, JSON.stringify(put.body)).toBe(200);
  };
  await share([{ version: challenger.version, share: 0.3 }]);
  const third = await versionsOf();
  const counted = third.filter((version) => version === challenger.version).length;
  expect(counted).toBeGreaterThan(5);
  expect(counted).toBeLessThan(35);
  expect(await versionsOf()).toEqual(third);
  expect((await model(challenger.version))!.share).toBe(0.3);

  await share([{ version: challenger.version, share: 0.8 }]);
  (await versionsOf()).forEach((version, i) => third[i] === challenger.version && expect(version).toBe(challenger.version));
  // Another process hears of it from the log.
  const sibling = await serving.again();
  const shareThere = async () =>
    (await sibling.app.inject({ method: 'GET', url: '/v1/models' }))
      .json<{ models: Model[] }>()
      .models.find(({ version }) => version === challenger.version)?.share;
  await expect.poll(shareThere, { timeout: 10_000 }).toBe(0.8);
  await sibling.close();

  const refused = async (staged: object[]) => (await send('PUT', '/v1/controls', { ...by, staged })).body;
  expect(JSON.stringify(await refused([{ version: champion.version, share: 0.1 }]))).toContain('staged.0.version');
  expect(JSON.stringify(await refused([{ version: 'nobody', share: 0.1 }]))).toContain('not a model version');
  expect(JSON.stringify(await refused([challenger, other].map(({ version }) => ({ version, share: 0.6 }))))).toContain('staged.1.share');
  await share([]);
  expect(new Set(await versionsOf())).toEqual(new Set([champion.version]));
});

const PROVED: PromotionReport = { promotes: true, conditions: [{ name: 'value', holds: true, found: 'better' }], figures: { n: 500 } };

test('a promotion and a rollback under load take effect at once, and no decision is refused or scored by anybody else', async () => {
  judge = () => PROVED;
  const answers: { status: number; version: string; sentMs: number; gotMs: number }[] = [];
  const load = new AbortController();
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let i = 0; !load.signal.aborted; i++) {
      const sentMs = performance.now();
      const { status, body } = await decide(`l-${client}-${i % 50}`);
      answers.push({ status, version: body.modelVersion, sentMs, gotMs: performance.now() });
    }
  });
  const switched: { version: string; askedMs: number; doneMs: number }[] = [];
  /** Until some were asked and answered since the last change, however busy the machine is. */
  const untilAnswered = async () => {
    const sinceMs = switched.at(-1)?.doneMs ?? 0;
    while (answers.filter(({ sentMs }) => sentMs > sinceMs).length < 8) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const change = async (version: string, path: string) => {
    await untilAnswered();
    const askedMs = performance.now();
    const { status, body } = await send('POST', path, by);
    expect(status, JSON.stringify(body)).toBe(200);
    switched.push({ version, askedMs, doneMs: performance.now() });
  };
  for (let round = 0; round < 3; round++) {
    await change(challenger.version, `/v1/models/${challenger.version}/promote`);
    await change(champion.version, '/v1/models/rollback');
  }
  await untilAnswered();
  load.abort();
  await Promise.all(clients);
  expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
  // What was asked after one change was answered, and answered before the next was asked for, is of that change's model.
  for (const [i, { version, doneMs }] of switched.entries()) {
    const untilMs = switched[i + 1]?.askedMs ?? Infinity;
    const between = answers.filter(({ sentMs, gotMs }) => sentMs > doneMs && gotMs < untilMs);
    expect(between.length).toBeGreaterThan(0);
    expect(new Set(between.map((answer) => answer.version))).toEqual(new Set([version]));
  }
  expect((await model(challenger.version))!.role).toBe('previous');
  expect((await model(other.version))!.role).toBe('challenger');
});

test('what is not proved stays a challenger: 409 names what failed, a dry run tells it without a change, force is written down', async () => {
  const asked: PromotionQuestion[] = [];
  judge = (question) => {
    asked.push(question);
    return {
      promotes: false,
      conditions: [
        { name: 'value', holds: false, found: 'the lower bound of the difference is -0.02, not above 0' },
        { name: 'latency', holds: true, found: 'p99 120 µs against 130 µs' },
      ],
      figures: { difference: 0.01, low: -0.02 },
    };
  };
  const path = `/v1/models/${other.version}/promote`;
  const refused = await send('POST', path, { ...by, epsilon: 0.01 });
  expect(refused.status).toBe(409);
  expect(refused.body['errors']).toEqual([{ field: 'value', message: 'the lower bound of the difference is -0.02, not above 0' }]);
  expect(asked[0]).toMatchObject({ loop: '', version: other.version, epsilon: 0.01 });
  expect(asked[0]!.latency!.decisions).toBeGreaterThan(0);

  const dry = await send('POST', path, { ...by, dryRun: true });
  expect([dry.status, (dry.body['report'] as PromotionReport).promotes]).toEqual([200, false]);
  judge = () => {
    throw new Error('the warehouse does not answer');
  };
  const unjudged = await send('POST', path, by);
  expect([unjudged.status, unjudged.body['detail']]).toEqual([409, expect.stringContaining('the warehouse does not answer')]);
  expect((await model(other.version))!.role).toBe('challenger');

  expect((await send('POST', path, { ...by, force: true })).status).toBe(200);
  const found = (await models()).find(({ version }) => version === other.version) as Model & { note: string };
  expect(found).toMatchObject({ role: 'champion', note: 'ana: a test (forced, without proof)' });
});
