/** A promotion judged by the warehouse: decisions that were served, rewards that matured, challengers that had learned from none of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  TOPICS,
  decisionCodec,
  hashUnit,
  rewardCodec,
  shardOfDecision,
  decisionIdFromBytes,
  UNKNOWN_CUSTOMER,
  type Decision,
  type ScoringRequest,
} from '#contracts';
import { createLearner, genericEncoder, restoreLearner, type Learner } from '#models';
import { createRecordRole } from '#pipeline';
import { compileFeatures, viewOfReceipt } from '#feature-store';
import { compileEventTypes, loadProject } from '#project';
import { openWarehouse, startEmbeddedServer, type EmbeddedServer, type Warehouse } from '#warehouse';
import { judgeVersion } from '../cli/promotion/judge-version.ts';
import { announceModel } from '../serving/test-models.ts';
import { CATALOG_DIR, openTestServing, type TestServing } from '../serving/test-serving.ts';
import { hasChdb } from '../warehouse/server/test-chdb.ts';

const LOOP = 'prices';
const CANDIDATES = ['low', 'middle', 'high'].map((id) => ({ id, features: { price: id } }));
const SEGMENTS = ['a', 'b', 'c'];
/** Each segment has a price of its own. */
const rateOf = (segment: string, action: string): number =>
  SEGMENTS.indexOf(segment) === CANDIDATES.findIndex(({ id }) => id === action) ? 0.7 : 0.15;

const requestOf = (segment: string): ScoringRequest => ({
  view: UNKNOWN_CUSTOMER,
  context: { segment },
  channel: 'web',
  direction: 'inbound',
  placement: null,
  nowMs: Date.now(),
});

/** Another seed, another version. @param worldOf segment as the learner was told it */
const trained = (seed: number, rows: number, worldOf: (segment: string) => string): Learner => {
  const learner = createLearner({ loop: LOOP, encoder: genericEncoder(), seed });
  for (let row = 0; row < rows; row++) {
    const segment = SEGMENTS[row % 3]!;
    const action = CANDIDATES[Math.floor(row / 3) % 3]!;
    const target = hashUnit(`t-${row}`) < rateOf(worldOf(segment), action.id) ? 1 : 0;
    const times = { decidedAtMs: Date.now() - 86_400_000, probability: 1 / 3, propensity: 0.3 };
    learner.learnShown({ decisionId: `t-${row}`, rank: 1, request: requestOf(segment), action, ...times }, target);
  }
  return learner;
};

describe.skipIf(!hasChdb())('a promotion (skipped where the optional package chdb is absent)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-promotion-'));
  let serving: TestServing;
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  beforeAll(async () => {
    serving = await openTestServing({ config: { shadowShare: 0 } });
    server = await startEmbeddedServer({ dir });
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    await warehouse.migrate();
  }, 60_000);
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
    await serving.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const announceTrained = async (learner: Learner): Promise<string> => {
    const posterior = await serving.store.blobs.put(learner.checkpoint());
    const publication = restoreLearner(learner.checkpoint()).publish();
    // What it publishes later has learned from what is to judge it: only training's own may.
    await announceModel(serving, publication, 'challenger', { loop: LOOP, posterior, posteriorUntil: Date.now(), kept: false });
    return publication.version;
  };

  const receipts = async (): Promise<Decision[]> => {
    const found: Decision[] = [];
    for (let p = 0; p < serving.log.partitions; p++) {
      const { next } = await serving.log.offsets(TOPICS.decisions, p);
      for (let at = 0; at < next;) {
        const records = await serving.log.read(TOPICS.decisions, p, at, 1_000);
        found.push(...records.map((record) => decisionCodec.decode(record.value)));
        at = records.at(-1)!.offset + 1;
      }
    }
    return found;
  };

  /** As the state role does when the window of a decision has closed. */
  const mature = async (decisions: readonly Decision[]): Promise<void> => {
    await serving.log.append(
      decisions.map((decision) => {
        const { actionId } = decision.chosen[0]!;
        const { segment } = JSON.parse(decision.context) as { segment: string };
        const id = decisionIdFromBytes(decision.decisionId);
        const target = hashUnit(`r-${id}`) < rateOf(segment, actionId) ? 1 : 0;
        const { decisionId, customerKey, loop, decidedAt } = decision;
        const row = { decisionId, customerKey, loop, decidedAt, rank: 1, actionId, kind: 'matured' as const, target, reward: target };
        const source = { sourceTopic: TOPICS.outcomes, sourcePartition: 0, sourceOffset: 0, sourceIndex: 0 };
        const more = { outcome: 'accepted', amount: null, occurredAt: decidedAt, matured: true, revision: 1, ...source };
        return { topic: TOPICS.rewards, shard: shardOfDecision(id), value: rewardCodec.encode({ ...row, ...more }) };
      }),
    );
  };

  test(
    'what earns more on decisions that it has not learned from is promoted, what earns less is not, and the report says why',
    { timeout: 90_000 },
    async () => {
      await announceModel(serving, createLearner({ loop: LOOP, encoder: genericEncoder() }).publish(), 'champion', { loop: LOOP });
      const good = await announceTrained(trained(2, 1_800, (segment) => segment));
      const bad = await announceTrained(trained(3, 1_800, (segment) => SEGMENTS[(SEGMENTS.indexOf(segment) + 1) % 3]!));
      const models = async () =>
        (await serving.app.inject({ method: 'GET', url: '/v1/models' })).json<{ models: { serving: boolean }[] }>();
      await expect.poll(async () => (await models()).models.filter((one) => one.serving).length, { timeout: 20_000 }).toBe(1);
      for (let n = 0; n < 900; n++) {
        const payload = {
          customerId: `c-${n % 400}`,
          channel: 'web',
          loop: LOOP,
          context: { segment: SEGMENTS[n % 3] },
          candidates: CANDIDATES,
        };
        const answer = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload });
        expect(answer.statusCode, answer.body).toBe(201);
      }
      await expect.poll(async () => (await receipts()).length).toBe(900);
      const all = await receipts();
      await mature(all);
      const featureSet = compileFeatures(loadProject(CATALOG_DIR));
      const role = createRecordRole({
        log: serving.log,
        warehouse,
        clock: Date.now,
        eventTypes: () => compileEventTypes(loadProject(CATALOG_DIR)),
        isPersonal: () => false,
        featureNames: async () => featureSet.names,
        catalogActions: async () => [],
        viewOf: async (decision) => viewOfReceipt(decision, featureSet),
      });
      await role.start();
      await expect.poll(() => role.metrics()['rowsInserted'], { timeout: 30_000 }).toBe(900 + all.length);
      await role.stop();

      const deps = { log: serving.log, store: serving.store, warehouse, catalogDir: CATALOG_DIR };
      const fast = { decisions: 500, challengerP99Us: 100, championP99Us: 100 };
      const better = await judgeVersion(deps, { loop: LOOP, version: good, latency: fast });
      console.log(better.conditions.map(({ name, holds, found }) => `${holds} ${name}: ${found}`).join('\n'));
      expect(better.promotes).toBe(true);
      // Uniform earns a third of 0.7 + 0.15 + 0.15; always right earns 0.7.
      expect(better.figures['championValue']).toBeGreaterThan(0.25);
      expect(better.figures['championValue']).toBeLessThan(0.45);
      expect(better.figures['challengerValue']).toBeGreaterThan(0.55);
      expect(better.figures['decisions']).toBeGreaterThan(800);

      const worse = await judgeVersion(deps, { loop: LOOP, version: bad, latency: fast });
      expect(worse.promotes).toBe(false);
      expect(worse.conditions.filter(({ holds }) => !holds).map(({ name }) => name)).toContain('value');
      const slow = await judgeVersion(deps, { loop: LOOP, version: good, latency: { ...fast, challengerP99Us: 5_000 } });
      expect(slow.conditions.filter(({ holds }) => !holds).map(({ name }) => name)).toEqual(['latency']);
      const measured = await judgeVersion(deps, { loop: LOOP, version: good, latency: null });
      expect(measured.conditions.find(({ name }) => name === 'latency')!.found).toContain('timed here');
      await expect(judgeVersion(deps, { loop: LOOP, version: 'nobody', latency: fast })).rejects.toThrow(/no model version "nobody"/);
      // Nothing is left to judge by once only the future counts.
      const future = { loop: LOOP, version: good, latency: fast, fromMs: Date.now() + 1_000 };
      await expect(judgeVersion(deps, future)).rejects.toThrow(/0 matured decisions/);
    },
  );
});
