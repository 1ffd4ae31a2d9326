/** `attune train` end to end on the embedded engines: from logged decisions to a challenger that the learn role takes up, killed in between. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NO_PAIR,
  TOPICS,
  createCustomerKey,
  createDecisionId,
  customerKeyToBytes,
  decisionCodec,
  decisionIdToBytes,
  modelCodec,
  rewardCodec,
  shardOf,
  type Decision,
  type ModelRecord,
} from '#contracts';
import { openLmdbLog, type AppendRecord, type EventLog } from '#event-log';
import { compileFeatures, openLmdbFeatureStore, type FeatureStore } from '#feature-store';
import { createLearner, createLearnerOf, genericEncoder, openVersion, restoreLearner } from '#models';
import { createLearnRole, createRecordRole, reportName } from '#pipeline';
import { loadProject, personalNamesOf } from '#project';
import { openWarehouse, readWarehouseUsers, type Warehouse } from '#warehouse';
import { createEncoder } from '../models/encoder/encoder.ts';
import { SILENT } from '../pipeline/role.ts';
import { hasChdb } from '../warehouse/server/test-chdb.ts';
import { embeddedEnv } from './embedded-env.ts';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const CATALOG_DIR = join(import.meta.dirname, '../catalog/telco');
const ENTRY = join(import.meta.dirname, '../cli/attune.mjs');
const DECISIONS = 1_200;
const features = compileFeatures(loadProject(CATALOG_DIR));
const personal = personalNamesOf(loadProject(CATALOG_DIR));
const keyOf = createCustomerKey('a-key-for-tests-only');

/** Two offers; which is taken depends on whether two things of the moment agree, which a linear model of them cannot tell. */
const decided = (n: number, atMs: number, matured: boolean): AppendRecord[] => {
  const customer = `c-${n % 50}`;
  const shard = shardOf(customer);
  const id = decisionIdToBytes(createDecisionId({ atMs, shard, entropy: [n, 1] }));
  const key = customerKeyToBytes(keyOf({ kind: 'customer', id: customer }));
  const [hot, near] = [(n * 7919) % 5 < 2, (n * 104_729) % 7 < 3];
  const index = (n * 31) % 3 === 0 ? 1 : 0;
  const actionId = index === 0 ? 'low' : 'high';
  const accepted = (hot === near) === (index === 0) ? (n * 13) % 10 < 6 : (n * 13) % 10 < 1;
  const decision: Decision = {
    decisionId: id,
    subjectKind: 'customer',
    subjectId: customer,
    customerKey: key,
    anonymous: false,
    requestId: null,
    decidedAt: atMs,
    channel: 'web',
    direction: 'inbound',
    placement: null,
    limit: 1,
    loop: 'prices',
    context: JSON.stringify({ weather: hot ? 'hot' : 'cold', near }),
    ownCandidates: JSON.stringify([
      { id: 'low', features: { price: 10 } },
      { id: 'high', features: { price: 20 } },
    ]),
    allowNone: false,
    seed: n,
    group: 'model',
    catalogVersion: 'c',
    controlsVersion: 0,
    modelVersion: 'priors',
    modelSnapshot: 0,
    degraded: [],
    customerKnown: false,
    state: Buffer.alloc(0),
    featureSet: features.fingerprint,
    features: [...features.defaults],
    stages: Buffer.from([2, 2]),
    scored: [0, 1],
    propensities: [0.3, 0.3],
    priorities: [0.3, 0.3],
    gammas: [5, 5],
    probabilities: [2 / 3, 1 / 3],
    chosen: [
      { rank: 1, index, actionId, treatmentId: '', propensity: 0.3, probability: index === 0 ? 2 / 3 : 1 / 3, value: 1, priority: 0.3 },
    ],
    noneProbability: null,
    latencyUs: 80,
  };
  const reward = rewardCodec.encode({
    decisionId: id,
    customerKey: key,
    rank: 1,
    actionId,
    loop: 'prices',
    kind: matured ? 'matured' : 'outcome',
    target: accepted ? 1 : 0,
    reward: accepted ? 1 : 0,
    outcome: accepted ? 'accepted' : 'none',
    amount: null,
    decidedAt: atMs,
    occurredAt: atMs,
    matured,
    revision: 1,
    sourceTopic: TOPICS.outcomes,
    sourcePartition: 0,
    sourceOffset: n,
    sourceIndex: 0,
  });
  return [
    { topic: TOPICS.decisions, shard, value: decisionCodec.encode(decision) },
    { topic: TOPICS.rewards, shard, value: reward },
  ];
};

describe.skipIf(!hasChdb())('attune train (skipped where the optional package chdb is absent)', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-train-'));
  let env: NodeJS.ProcessEnv;
  let warehouseProcess: ChildProcess;
  let warehouse: Warehouse;
  let log: EventLog;
  let store: FeatureStore;
  const startMs = Date.now() - 3 * 86_400_000;

  beforeAll(async () => {
    const port = await freePort();
    env = { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_WAREHOUSE_PORT: String(port) };
    warehouseProcess = spawn(process.execPath, [ENTRY, 'warehouse'], { env, stdio: 'ignore' });
    log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
    store = await openLmdbFeatureStore({ dir: join(dataDir, 'feature-store'), partitions: 8 });
    mkdirSync(join(dataDir, 'warehouse'), { recursive: true });
    const password = readWarehouseUsers(join(dataDir, 'warehouse')).pipeline;
    warehouse = openWarehouse({ url: `http://127.0.0.1:${port}`, username: 'pipeline', password });
    for (let n = 0; n < DECISIONS; n += 200)
      await log.append(Array.from({ length: 200 }, (_, i) => decided(n + i, startMs + (n + i) * 1_000, true)).flat());
    // Of today, and not yet final: training stops before them, the learn role does not.
    await log.append(Array.from({ length: 30 }, (_, i) => decided(DECISIONS + i, Date.now() - 60_000 + i, false)).flat());
    const role = createRecordRole({
      log,
      warehouse,
      clock: Date.now,
      longestPauseMs: 300,
      eventTypes: () => ({ get: () => null }),
      isPersonal: () => false,
      featureNames: async () => features.names,
      catalogActions: async () => null,
      viewOf: () => ({ attributes: {}, pair: () => NO_PAIR }),
    });
    await role.start();
    while (role.metrics()['rowsInserted']! < 2 * (DECISIONS + 30)) await new Promise((resolve) => setTimeout(resolve, 50));
    await role.stop();
  }, 90_000);
  afterAll(async () => {
    await warehouse.close();
    await store.close();
    await log.close();
    warehouseProcess.kill();
    await new Promise((resolve) => warehouseProcess.once('exit', resolve));
    rmSync(dataDir, { recursive: true, force: true });
  });

  const ARGS = [
    'train',
    '--loop',
    'prices',
    '--epochs',
    '6',
    '--patience',
    '6',
    '--hidden',
    '32',
    '--outputs',
    '16',
    '--weight-decay',
    '0.0001',
    '--batch',
    '64',
  ];
  const announced = async (): Promise<ModelRecord[]> => {
    const records: ModelRecord[] = [];
    for (let p = 0; p < log.partitions; p++)
      for (const { value } of await log.read(TOPICS.models, p, 0, 1_000)) records.push(modelCodec.decode(value));
    return records.filter(({ loop }) => loop === 'prices');
  };

  test(
    'killed in mid-training it goes on, and its challenger is learned, caught up and published by the learn role',
    { timeout: 120_000 },
    async () => {
      const killed = spawn(process.execPath, [ENTRY, ...ARGS, '--dry-run'], { env, stdio: 'ignore' });
      const ended = new Promise((resolve) => killed.once('exit', (_code, signal) => resolve(signal)));
      const training = join(dataDir, 'training');
      const begun = () => {
        try {
          return readdirSync(training).includes('loop-prices.bin');
        } catch {
          return false;
        }
      };
      await expect.poll(begun, { timeout: 60_000, interval: 5 }).toBe(true);
      killed.kill('SIGKILL');
      expect(await ended).toBe('SIGKILL');
      const dry = await run(process.execPath, [ENTRY, ...ARGS, '--dry-run'], { env });
      expect(dry.stdout).toContain('goes on where it ended');
      expect(await announced()).toEqual([]);

      const { stdout } = await run(process.execPath, [ENTRY, ...ARGS], { env });
      const trials = stdout.split('\n').filter((line) => line.startsWith('half-life ') && line.includes('progressive'));
      expect(trials.map((line) => /^half-life (.+?) +progressive/.exec(line)![1])).toEqual([
        '300 rows',
        '1,000 rows',
        '3,000 rows',
        '10,000 rows',
        '60 days',
      ]);
      expect(trials.filter((line) => line.endsWith('; chosen'))).toHaveLength(1);
      const [, version] = /^model ([0-9a-f]{16}) is a challenger; its posterior holds 1,200 experiences$/m.exec(stdout)!;
      // The run that was killed and the one that was not are the same training.
      expect(dry.stdout).toContain(`model ${version} was not published`);
      const [record] = await announced();
      expect(record).toMatchObject({ version, role: 'challenger', snapshot: 0, experiences: DECISIONS });
      expect(record!.posteriorUntil).toBeGreaterThan(startMs + DECISIONS * 1_000 - 1);
      const page = (await store.blobs.find(reportName(version!)))!.toString('utf8');
      expect(page).toContain(version!);
      expect(page.match(/<svg /g)!.length).toBe(7);
      expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
      expect(readFileSync(join(training, `${version}.html`), 'utf8')).toBe(page);

      const role = createLearnRole({
        log,
        store,
        dir: join(dataDir, 'learner'),
        createLearner: (loop) => createLearner({ loop, encoder: genericEncoder() }),
        createLearnerOf: (blob) => createLearnerOf(blob),
        restoreLearner,
        featureSet: () => features,
        personal: () => personal,
        profiles: async () => () => null,
        clock: Date.now,
        logger: SILENT,
      });
      await role.start();
      const snapshots = async () => (await announced()).filter((one) => one.version === version && one.snapshot > 0);
      await expect.poll(async () => (await snapshots()).at(-1)?.experiences, { timeout: 30_000 }).toBe(DECISIONS + 30);
      const published = (await snapshots()).at(-1)!;
      await role.stop();
      expect(published.role).toBe('challenger');
      const scorer = (await openVersion((await store.blobs.get(record!.blob))!)).open(
        (await store.blobs.get((await snapshots()).at(-1)!.blob))!,
      );
      expect(scorer.version).toBe(version);
    },
  );

  test('a trunk of one’s own is added as a challenger, or refused by the layer at fault, and the list tells of it', async () => {
    const dir = join(dataDir, 'own');
    mkdirSync(dir);
    const inputs = createEncoder(genericEncoder()).xDims;
    const dense = (name: string, units: number, activation: string, extra: object = {}) => ({
      class_name: 'Dense',
      config: { name, units, activation, use_bias: true, ...extra },
    });
    const write = (width: number) => {
      const layers = [dense('hidden', 8, 'relu', { batch_input_shape: [null, width], dtype: 'float32' }), dense('output', 1, 'sigmoid')];
      const weights = [
        { name: 'hidden/kernel', shape: [width, 8], dtype: 'float32' },
        { name: 'hidden/bias', shape: [8], dtype: 'float32' },
        { name: 'output/kernel', shape: [8, 1], dtype: 'float32' },
        { name: 'output/bias', shape: [1], dtype: 'float32' },
      ];
      const modelTopology = { class_name: 'Sequential', config: { name: 'own', layers } };
      writeFileSync(join(dir, 'model.json'), JSON.stringify({ modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] }));
      const floats = Float32Array.from({ length: width * 8 + 8 + 8 + 1 }, (_, i) => Math.sin(i) / 8);
      writeFileSync(join(dir, 'w.bin'), new Uint8Array(floats.buffer));
    };
    const attune = (...args: string[]) => run(process.execPath, [ENTRY, 'models', ...args], { env });
    write(5);
    const refused = await attune('add', dir, '--loop', 'prices').catch((error: { stderr: string }) => error.stderr);
    expect(refused).toContain(`layer 'hidden' takes 5 inputs, but the encoder gives x of ${inputs} dimensions`);
    write(inputs);
    const { stdout } = await attune('add', dir, '--loop', 'prices');
    const [, version] = /^model ([0-9a-f]{16}) is a challenger/m.exec(stdout)!;
    const listed = (await attune('list')).stdout;
    expect(listed).toMatch(new RegExp(`^${version} {2}challenger .*no snapshot yet.*loop prices .*attune models add: ${inputs} → 8`, 'm'));
  });

  test('too little to learn from, and options that make no sense, are told in a sentence', async () => {
    const fails = async (...args: string[]) =>
      run(process.execPath, [ENTRY, 'train', ...args], { env }).catch((error: { stderr: string }) => error.stderr);
    const [empty, halfLife, objective] = await Promise.all([
      fails('--loop', 'nobody'),
      fails('--half-life', '60,soon'),
      fails('--objective', 'dr'),
    ]);
    expect(empty).toContain("loop 'nobody' has 0 matured shown actions");
    expect(halfLife).toContain("--half-life must be a number from 0.01 to 1000000000, not 'soon'");
    expect(objective).toContain('--objective must be one of observed, importance, doublyRobust');
  });
});
