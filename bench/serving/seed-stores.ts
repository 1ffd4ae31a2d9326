/** Customers with a past, and a model that has learned from them, so that what is measured is the whole path. */
import { Redis } from 'ioredis';
import {
  createCustomerKey,
  customerKeyToBytes,
  hash32,
  shardOf,
  TOPICS,
  modelCodec,
  type CustomerView,
  type ModelRecord,
} from '#contracts';
import { compileCatalog, type Catalog } from '#decisioning';
import { compileFeatures, emptyState, encodeState, foldEvent, publishFeatureSet, viewOfState, type StateCommit } from '#feature-store';
import { compileEncoder, createLearner, type Learner } from '#models';
import { loadProject } from '#project';
import { floorKey, openLog, openStore } from './open-engines.ts';
import type { ServerStart } from './server-start.ts';

const DAY = 86_400_000;

export const seedStores = async (start: ServerStart, customers: number): Promise<void> => {
  const project = loadProject(start.catalogDir);
  const log = await openLog(start);
  const store = await openStore(start);
  const featureSet = compileFeatures(project);
  await publishFeatureSet(store.blobs, featureSet);
  const customerKey = createCustomerKey(start.idKey);
  const now = Date.now();
  const commits: StateCommit[] = [];
  const views: CustomerView[] = [];
  for (let index = 0; index < customers; index++) {
    const id = `c-${index}`;
    const state = emptyState(featureSet);
    for (const [type, daysAgo, data] of past(index)) {
      const time = now - daysAgo * DAY;
      foldEvent(state, { type, time, receivedAt: time }, data, featureSet);
    }
    const name = customerKey({ kind: 'customer', id });
    const value = encodeState(state, now);
    views.push(viewOfState(value, { customerKey: name, featureSet, nowMs: now }));
    commits.push({
      key: customerKeyToBytes(name),
      shard: shardOf(id),
      value,
      expected: null,
      companions: [],
      timer: { from: null, to: null },
    });
  }
  await store.states.commit(commits);
  if (start.engines !== null) await seedFloor(start.engines.redisUrl, commits);

  const learner = createLearner({ encoder: compileEncoder(project), loop: '' });
  teach(learner, compileCatalog(project), views, now);
  const { version, snapshot, versionBlob, snapshotBlob, experiences } = learner.publish();
  const announce = async (number: number, bytes: Uint8Array): Promise<void> => {
    const record: ModelRecord = {
      loop: '',
      version,
      snapshot: number,
      role: 'champion',
      blob: await store.blobs.put(bytes),
      at: now,
      experiences,
      watermark: 0,
      kept: true,
      note: '',
      checkpoint: null,
      checkpointAt: 0,
      posterior: null,
      posteriorUntil: 0,
      roleAt: 0,
    };
    await log.append([
      { topic: TOPICS.models, shard: shardOf(''), key: Buffer.from(`/${version}/${number}`), value: modelCodec.encode(record) },
    ]);
  };
  await announce(0, versionBlob);
  await announce(Math.max(1, snapshot), snapshotBlob);
  await store.close();
  await log.close();
};

const LESSONS = 20_000;
const LESSONS_A_SNAPSHOT = 200;

/** Of each customer in turn a few actions; each is accepted at a rate of its own, between 2 and 22 %. */
const teach = (learner: Learner, { actions }: Catalog, views: readonly CustomerView[], nowMs: number): void => {
  for (let i = 0; i < LESSONS; i++) {
    const action = actions[hash32(`shown ${i}`) % actions.length]!;
    const rate = 0.02 + (hash32(action.id) % 1_000) / 5_000;
    const isAccepted = hash32(`accepted ${i}`) / 2 ** 32 < rate;
    learner.learnShown(
      {
        decisionId: `lesson-${i}`,
        rank: 1,
        request: { view: views[i % views.length]!, context: {}, channel: 'app', direction: 'inbound', placement: null, nowMs },
        action: action.profile,
        probability: 1 / actions.length,
        propensity: rate,
        decidedAtMs: nowMs,
      },
      isAccepted ? 1 : 0,
    );
    if (i % LESSONS_A_SNAPSHOT === 0) learner.publish();
  }
};

/** The same bytes again under plain keys, for the floor's one GET. */
const seedFloor = async (url: string, commits: readonly StateCommit[]): Promise<void> => {
  const redis = new Redis(url);
  const pipeline = redis.pipeline();
  for (const { key, value } of commits) pipeline.set(floorKey(key), value!);
  await pipeline.exec();
  await redis.quit();
};

const PLANS = ['prepaid', 'basic', 'standard', 'premium', 'unlimited'];

const past = (index: number): [string, number, Record<string, unknown>][] => [
  [
    'customer.updated',
    100,
    {
      plan: PLANS[index % 5],
      tenureMonths: index % 90,
      segment: 'consumer',
      ageBand: '26-35',
      region: 'north',
      contractMonthsLeft: index % 24,
      deviceTier: 'mid',
      deviceAgeMonths: index % 40,
      preferredChannel: 'app',
      language: 'en',
      monthlyCharge: 20 + (index % 60),
      consentMarketing: true,
      consentSms: true,
      consentEmail: true,
      doNotContact: false,
      creditClass: 'A',
      hasFiber: index % 3 === 0,
      hasTv: index % 4 === 0,
      householdLines: 1 + (index % 3),
    },
  ],
  ...Array.from({ length: 6 }, (_, month): [string, number, Record<string, unknown>] => [
    'bill.issued',
    10 + month * 30,
    { amount: 30 + ((index + month) % 50), overage: index % 7, dueInDays: 14 },
  ]),
  ...Array.from({ length: 10 }, (_, day): [string, number, Record<string, unknown>] => [
    'usage.recorded',
    day,
    { dataMb: 100 + ((index * 7 + day) % 900), voiceMin: day, roaming: false },
  ]),
  ['page.viewed', 1, { page: 'bill' }],
  ['interaction.ended', 4, { channel: 'callCenter', type: 'call', reason: 'billing', durationS: 240, resolved: index % 2 === 0 }],
];
