/** Law 7: what training reads from the warehouse is what serving saw: the same x and ψ bit for bit, and so the same propensities. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NO_PAIR,
  TOPICS,
  createCustomerKey,
  createDecisionId,
  customerKeyToBytes,
  decisionCodec,
  decisionIdFromBytes,
  modelCodec,
  profileWithoutPersonal,
  requestWithoutPersonal,
  shardOf,
  type ActionProfile,
  type Decision,
  type ModelRecord,
  type Scorer,
  type ScoringRequest,
} from '#contracts';
import { compileCatalog } from '#decisioning';
import { compileFeatures, emptyState, encodeState, fingerprintOf, foldEvent, loadFeatureSet, viewOfReceipt } from '#feature-store';
import {
  compileEncoder,
  createLearner,
  createLoggedDecisions,
  genericEncoder,
  openVersion,
  type EncoderSpec,
  type LoggedDecision,
} from '#models';
import { createRecordRole } from '#pipeline';
import { compileEventTypes, loadProject } from '#project';
import { experienceOf } from '../pipeline/learn/experience-of.ts';
import { openWarehouse, readLoggedRows, startEmbeddedServer, type EmbeddedServer, type Warehouse } from '#warehouse';
import { createContextCode, createEncoder } from '../models/encoder/encoder.ts';
import { createSparseRow } from '../models/head/sparse-row.ts';
import { CATALOG_DIR, ID_KEY, openTestServing, type TestServing } from '../serving/test-serving.ts';
import { hasChdb } from '../warehouse/server/test-chdb.ts';

const project = loadProject(CATALOG_DIR);
const featureSet = compileFeatures(project);
const catalog = compileCatalog(project);
const profileOf = new Map(catalog.actions.map((action) => [action.id, action.profile]));
const SPECS: Readonly<Record<string, EncoderSpec>> = { '': compileEncoder(project), prices: genericEncoder() };

describe.skipIf(!hasChdb())('the logged row (skipped where the optional package chdb is absent)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-logged-'));
  let serving: TestServing;
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  beforeAll(async () => {
    serving = await openTestServing();
    server = await startEmbeddedServer({ dir });
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    await warehouse.migrate();
  });
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
    await serving.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A customer with attributes, features, personal data, and a past with some actions. */
  const knows = async (id: string, n: number): Promise<void> => {
    const key = customerKeyToBytes(createCustomerKey(ID_KEY)({ kind: 'customer', id }));
    const state = emptyState(featureSet);
    const data = {
      plan: 'basic',
      segment: 'consumer',
      tenureMonths: n * 7.3,
      hasFiber: n % 2 === 0,
      email: 'ada@example.org',
      name: 'Ada',
    };
    const event = { id: `k-${n}`, source: 'test', type: 'customer.updated', subjectKind: 'customer', subjectId: id, customerKey: key };
    foldEvent(state, { ...event, time: Date.now() - n * 1e6, receivedAt: Date.now() }, data, featureSet);
    for (let i = 0; i < n; i++) {
      const lastShownMs = Math.floor((Date.now() - i * 3e7) / 60_000) * 60_000;
      state.pairs.set(featureSet.actionHashes[(i * 3) % featureSet.actionHashes.length]!, {
        ...NO_PAIR,
        shown: 1 + i,
        rejected: i % 3,
        accepted: i % 2,
        lastShownMs,
        lastRejectedMs: i % 3 === 0 ? 0 : lastShownMs,
      });
    }
    const value = encodeState(state, Date.now());
    const companion = { companions: [], timer: { from: null, to: null } };
    await serving.store.states.commit([{ key, shard: shardOf(id), value, expected: null, ...companion }]);
  };
  const decide = async (payload: object): Promise<void> => {
    const answer = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload });
    expect(answer.statusCode, answer.body).toBe(201);
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
  const served = (receipt: Decision): { request: ScoringRequest; candidates: readonly ActionProfile[] } => {
    const own = receipt.ownCandidates === null ? null : (JSON.parse(receipt.ownCandidates) as ActionProfile[]);
    return {
      request: {
        view: viewOfReceipt(receipt, featureSet),
        context: JSON.parse(receipt.context) as Record<string, string>,
        channel: receipt.channel,
        direction: receipt.direction,
        placement: receipt.placement,
        nowMs: receipt.decidedAt,
      },
      candidates: receipt.scored.filter((i) => i >= 0).map((i) => own?.[i] ?? catalog.actions[i]!.profile),
    };
  };
  /** A model that has learned from what was served, with every target a coin's. */
  const publish = async (loop: string): Promise<Scorer> => {
    const learner = createLearner({ loop, encoder: SPECS[loop]! });
    let row = 0;
    for (const receipt of (await receipts()).filter((one) => one.loop === loop)) {
      const { request, candidates } = served(receipt);
      for (const action of candidates)
        learner.learnShown(
          { decisionId: `d-${row}`, rank: 1, request, action, probability: 1, propensity: 0.1, decidedAtMs: receipt.decidedAt },
          (row++ * 7) % 3 === 0 ? 1 : 0,
        );
    }
    const publication = learner.publish();
    for (const [snapshot, bytes] of [
      [0, publication.versionBlob],
      [publication.snapshot, publication.snapshotBlob],
    ] as const) {
      const record: ModelRecord = {
        loop,
        version: publication.version,
        snapshot,
        role: 'champion',
        blob: await serving.store.blobs.put(bytes),
        at: Date.now(),
        experiences: row,
        watermark: 0,
        kept: true,
        note: '',
        checkpoint: null,
        checkpointAt: 0,
        posterior: null,
        posteriorUntil: 0,
        roleAt: 0,
      };
      const key = Buffer.from(`${loop}/${publication.version}/${snapshot}`);
      await serving.log.append([{ topic: TOPICS.models, shard: shardOf(loop), key, value: modelCodec.encode(record) }]);
    }
    return (await openVersion(publication.versionBlob)).open(publication.snapshotBlob);
  };

  const askAll = async (): Promise<void> => {
    for (let n = 0; n < 12; n++) {
      const customerId = `c-${n % 5}`;
      await decide({ customerId, channel: n % 2 === 0 ? 'app' : 'callCenter', limit: 2, context: { page: 'bill', reason: 'billing' } });
      await decide({
        customerId: n % 5 === 4 ? 'stranger' : customerId,
        channel: 'web',
        loop: 'prices',
        context: {
          'a "quoted" name': 'a\ttab',
          zero: n % 2 === 0 ? -0 : 0,
          email: `${n}@example.org`,
          page: `${n}`,
          ratio: 1 / (n + 3),
          flag: n % 3 === 0,
          seven: 7,
        },
        candidates: [
          { id: 'low', features: { price: 10 + n / 7, bold: true, label: '12' } },
          { id: "o'high", features: { price: -3e-7, bold: 'true', name: 'Ada' } },
          { id: 'plain' },
        ],
        allowNone: n % 2 === 0,
      });
    }
  };

  const encoded = (spec: EncoderSpec, request: ScoringRequest, candidates: readonly ActionProfile[]) => {
    const encoder = createEncoder(spec);
    const code = createContextCode(encoder);
    const pair = createSparseRow(64);
    encoder.encodeContext(request, code);
    const { common } = code;
    const bits = (values: ArrayLike<number>) => Buffer.from(Float64Array.from(values).buffer).toString('hex');
    return {
      x: Buffer.from(code.x.buffer).toString('hex'),
      common: [[...common.index.subarray(0, common.count)], bits(common.value.subarray(0, common.count))],
      pairs: candidates.map((action) => {
        const part = encoder.encodeAction(action);
        encoder.encodePair(request, code, action, part, pair);
        return [[...part.index], bits(part.value), [...pair.index.subarray(0, pair.count)], bits(pair.value.subarray(0, pair.count))];
      }),
    };
  };

  test('is encoded as the served row was, and scored to the very same propensities', { timeout: 60_000 }, async () => {
    for (let n = 0; n < 5; n++) await knows(`c-${n}`, n);
    await askAll();
    const scorers: Record<string, Scorer> = { '': await publish(''), prices: await publish('prices') };
    const models = async () => (await serving.app.inject({ method: 'GET', url: '/v1/models' })).json<{ models: { serving: boolean }[] }>();
    await expect.poll(async () => (await models()).models.filter((one) => one.serving).length, { timeout: 10_000 }).toBe(2);
    await askAll();

    const { personal } = catalog;
    const role = createRecordRole({
      log: serving.log,
      warehouse,
      clock: Date.now,
      eventTypes: () => compileEventTypes(project),
      isPersonal: (name) => personal.has(name),
      featureNames: async () => featureSet.names,
      catalogActions: async () => catalog.actions.map(({ id }) => id),
      async viewOf(decision) {
        await loadFeatureSet(serving.store.blobs, featureSet, fingerprintOf(decision.state));
        return viewOfReceipt(decision, featureSet);
      },
    });
    await role.start();
    await expect.poll(async () => (await receipts()).length).toBe(48);
    const all = await receipts();
    await expect.poll(() => role.metrics()['rowsInserted'], { timeout: 20_000 }).toBe(all.length);
    await role.stop();

    const rows = readLoggedRows(warehouse, 7);
    const logged: LoggedDecision[] = [];
    for (const loop of ['', 'prices'])
      for await (const batch of createLoggedDecisions({ rows, profiles: async () => (id) => profileOf.get(id) ?? null }).read({ loop }))
        logged.push(...batch);
    expect(logged.map((one) => one.decisionId).toSorted()).toEqual(all.map((one) => decisionIdFromBytes(one.decisionId)).toSorted());
    const byId = new Map(all.map((one) => [decisionIdFromBytes(one.decisionId) as string, one]));
    let scored = 0;
    let met = 0;
    let held = 0;
    for (const one of logged) {
      const receipt = byId.get(one.decisionId)!;
      const { request, candidates } = served(receipt);
      expect(one.asServed).toBe(true);
      expect(one.candidates).toEqual(candidates.map((candidate) => profileWithoutPersonal(candidate, personal)));
      met += candidates.filter(({ id }) => one.request.view.pair(id).shown > 0).length;
      const spec = SPECS[one.loop]!;
      const warehoused = encoded(spec, one.request, one.candidates);
      expect(warehoused).toEqual(encoded(spec, requestWithoutPersonal(request, personal), one.candidates));
      for (const { rank, index } of receipt.chosen) {
        const learned = experienceOf(receipt, rank, { featureSet, personal, profileOf: (id) => profileOf.get(id) ?? null })!;
        expect(encoded(spec, learned.request, [learned.action])).toEqual({
          ...warehoused,
          pairs: [warehoused.pairs[receipt.scored.indexOf(index)]],
        });
      }
      if (one.loop === 'prices' && request.view.known) {
        held++;
        expect(Object.keys(request.view.attributes)).toContain('email');
        expect(encoded(spec, request, candidates)).not.toEqual(warehoused);
      }
      const scorer = scorers[one.loop]!;
      if (receipt.modelVersion !== scorer.version) continue;
      const out = { propensities: new Float32Array(100), effectiveN: new Float32Array(100) };
      scorer.score(one.request, one.candidates, out);
      // What the model that serves was taught does weigh the personal values: had serving shown it any, these would differ.
      expect([...out.propensities.subarray(0, candidates.length)]).toEqual([...one.propensities]);
      scored += candidates.length;
    }
    expect(met).toBeGreaterThan(20);
    expect(scored).toBeGreaterThan(50);
    expect(held).toBeGreaterThan(10);
    const text = JSON.stringify(await warehouse.query('SELECT * FROM decisions'));
    for (const secret of ['ada@example.org', 'Ada']) expect(text).not.toContain(secret);
  });

  test('of before these columns can still be read, its types guessed and said to be', async () => {
    const decidedAtMs = Date.now();
    const id = createDecisionId({ atMs: decidedAtMs, shard: 1, entropy: [1, 2] });
    await warehouse.command(
      `INSERT INTO decisions (decision_id, decided_at, recorded_at, loop, catalog_version, direction, group_name, context, attributes, \`candidates.action_id\`, \`candidates.stage\`,
        \`candidates.scored\`, \`candidates.propensity\`, \`candidates.priority\`, \`candidates.gamma\`, \`candidates.probability\`)
      VALUES ('${id}', fromUnixTimestamp64Milli(${decidedAtMs}), now64(3), 'old', 'c', 'inbound', 'model', map('page', 'bill'), map('tenureMonths', '12.5', 'hasFiber', 'true'),
        ['${catalog.actions[0]!.id}', 'none'], [1, 1], [true, true], [0.5, 0], [1, 0], [5, 5], [0.75, 0.25])`,
    );
    const batches = createLoggedDecisions({ rows: readLoggedRows(warehouse), profiles: async () => (id) => profileOf.get(id) ?? null });
    const [[old]] = (await Array.fromAsync(batches.read({ loop: 'old' }))) as [[LoggedDecision]];
    expect(old).toMatchObject({
      decisionId: id,
      decidedAtMs,
      asServed: false,
      propensities: [0.5],
      probabilities: [0.75],
      noneProbability: null,
      chosen: [],
    });
    expect(old.request.view.attributes).toEqual({ tenureMonths: 12.5, hasFiber: true });
    expect(old.request.view.pair(catalog.actions[0]!.id)).toEqual(NO_PAIR);
    const left: number[] = [];
    const gone = createLoggedDecisions({ rows: readLoggedRows(warehouse), profiles: async () => null, onLeftOut: (n) => left.push(n) });
    expect(await Array.fromAsync(gone.read({ loop: 'old' }))).toEqual([]);
    expect(left).toEqual([1]);
    expect(await Array.fromAsync(batches.read({ loop: 'old', fromMs: decidedAtMs + 1 }))).toEqual([]);
  });
});
