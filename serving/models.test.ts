/** Models that serve: followed from the log, swapped whole, pinned, promoted, rolled back, and scored again from a receipt. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import { compileEncoder, createLearner, openVersion, type Publication } from '#models';
import { loadProject } from '#project';
import { CATALOG_DIR, openTestServing, type TestServing } from './test-serving.ts';

let serving: TestServing;
beforeAll(async () => {
  serving = await openTestServing();
  await serving.knows('c-1', [
    { type: 'customer.updated', data: { plan: 'basic', segment: 'consumer', tenureMonths: 20 }, time: Date.now() - 9_000_000 },
  ]);
});
afterAll(() => serving.stop());

const learnerOf = (seed: number) => createLearner({ encoder: compileEncoder(loadProject(CATALOG_DIR)), loop: '', seed });

/** As the learn role announces it. */
const announce = async (publication: Publication, role: ModelRecord['role'], kept = true): Promise<void> => {
  const { version, experiences } = publication;
  for (const [snapshot, bytes] of [
    [0, publication.versionBlob],
    [publication.snapshot, publication.snapshotBlob],
  ] as const) {
    const record: ModelRecord = {
      loop: '',
      version,
      snapshot,
      role,
      blob: await serving.store.blobs.put(bytes),
      at: Date.now(),
      experiences,
      watermark: 0,
      kept,
      note: '',
      checkpoint: null,
      checkpointAt: 0,
      posterior: null,
      posteriorUntil: 0,
      roleAt: 0,
    };
    const keys = snapshot === 0 ? [`/${version}/0`] : [`/${version}`, `/${version}/${snapshot}`];
    const value = modelCodec.encode(record);
    await serving.log.append(keys.map((key) => ({ topic: TOPICS.models, shard: shardOf(''), key: Buffer.from(key), value })));
  }
};

const decide = async () =>
  (await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app', limit: 2 } })).json<{
    decisionId: string;
    modelVersion: string;
    degraded: string[] | null;
  }>();
const servedVersion = async () => (await decide()).modelVersion;
const post = (url: string, payload: object) => serving.app.inject({ method: 'POST', url, payload });

test(
  'a published model serves within 2 s, a receipt is scored again by its kept snapshot, and operators choose',
  { timeout: 60_000 },
  async () => {
    expect((await decide()).degraded).toEqual(['model']);
    const first = learnerOf(1);
    const one = first.publish();
    await announce(one, 'champion');
    await expect.poll(servedVersion, { timeout: 10_000 }).toBe(one.version);
    expect((await decide()).degraded).toBeNull();

    const decided = await decide();
    const two = first.publish();
    expect(two.snapshot).toBeGreaterThan(one.snapshot);
    await announce(two, 'champion', false);
    const snapshotOf = async () =>
      (await serving.app.inject({ method: 'GET', url: '/v1/models' })).json<{
        models: { version: string; snapshot: number; serving: boolean }[];
      }>().models[0];
    await expect.poll(snapshotOf, { timeout: 2_000 }).toMatchObject({ version: one.version, snapshot: two.snapshot, serving: true });

    const replayed = await post(`/v1/decisions/${decided.decisionId}/replay`, {});
    expect(replayed.json(), replayed.body).toMatchObject({ identical: true, rescored: { agrees: true, modelSnapshot: one.snapshot } });

    const other = learnerOf(2).publish();
    expect(other.version).not.toBe(one.version);
    await announce(other, 'challenger');
    await expect
      .poll(async () => (await serving.app.inject({ method: 'GET', url: '/v1/models' })).json<{ models: object[] }>().models.length, {
        timeout: 5_000,
      })
      .toBe(2);
    expect(await servedVersion()).toBe(one.version);

    const by = { actor: 'ana', reason: 'better' };
    expect((await post('/v1/models/no-such/promote', by)).statusCode).toBe(404);
    expect((await post(`/v1/models/${other.version}/promote`, {})).statusCode).toBe(400);
    expect((await post(`/v1/models/${other.version}/promote`, by)).statusCode).toBe(409);
    expect((await post(`/v1/models/${other.version}/promote`, { ...by, force: true })).statusCode).toBe(200);
    await expect.poll(servedVersion, { timeout: 5_000 }).toBe(other.version);

    const pinned = await serving.app.inject({ method: 'PUT', url: '/v1/controls', payload: { ...by, pinnedModel: one.version } });
    expect(pinned.statusCode, pinned.body).toBe(200);
    await expect.poll(servedVersion, { timeout: 5_000 }).toBe(one.version);
    await serving.app.inject({ method: 'PUT', url: '/v1/controls', payload: { ...by, pinnedModel: null } });
    await expect.poll(servedVersion, { timeout: 5_000 }).toBe(other.version);

    const back = await post('/v1/models/rollback', by);
    expect(back.statusCode, back.body).toBe(200);
    await expect.poll(servedVersion, { timeout: 5_000 }).toBe(one.version);

    const restarted = await serving.again({ config: { modelPatienceMs: 10_000 } });
    const again = await restarted.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app' } });
    expect(again.json()).toMatchObject({ modelVersion: one.version, degraded: null });
    const later = await restarted.app.inject({ method: 'POST', url: `/v1/decisions/${decided.decisionId}/replay` });
    expect(later.json()).toMatchObject({ identical: true, rescored: { agrees: true } });
    await restarted.close();
  },
);

test('a training report is a page that may load nothing', async () => {
  await serving.store.blobs.put(Buffer.from('<h1>Training report</h1>'), 'report/0123456789abcdef');
  const answer = await serving.app.inject({ method: 'GET', url: '/v1/models/0123456789abcdef/report' });
  expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([
    200,
    'text/html; charset=utf-8',
    '<h1>Training report</h1>',
  ]);
  expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  expect((await serving.app.inject({ method: 'GET', url: '/v1/models/ffff/report' })).statusCode).toBe(404);
});

test('a model that could not be loaded is tried again, although no newer snapshot follows', async () => {
  let tries = 0;
  const restarted = await serving.again({
    openVersion: async (bytes) => {
      if (tries++ === 0) throw new Error('not this time');
      return openVersion(bytes);
    },
  });
  const decided = async () =>
    (await restarted.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app' } })).json<object>();
  await expect.poll(decided, { timeout: 5_000 }).toMatchObject({ degraded: null });
  expect(tries).toBeGreaterThan(1);
  await restarted.close();
});

test('an artifact that is missing or broken leaves the serving model in place', async () => {
  const before = await servedVersion();
  const record: ModelRecord = {
    loop: '',
    version: 'broken',
    snapshot: 3,
    role: 'champion',
    blob: 'ff'.repeat(32),
    at: Date.now() + 1,
    experiences: 0,
    watermark: 0,
    kept: false,
    note: '',
    checkpoint: null,
    checkpointAt: 0,
    posterior: null,
    posteriorUntil: 0,
    roleAt: Date.now() + 1,
  };
  await serving.log.append([{ topic: TOPICS.models, shard: shardOf(''), key: Buffer.from('/broken'), value: modelCodec.encode(record) }]);
  const faults = async () => (await serving.app.inject({ method: 'GET', url: '/metrics' })).body;
  await expect.poll(faults, { timeout: 5_000 }).toMatch(/attune_faults_total\{what="model"\} [1-9]/);
  expect(await servedVersion()).toBe(before);
});
