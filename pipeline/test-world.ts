/** A small world for the pipeline's tests: a real log and store in a temporary folder, telco's features and rewards, and records to feed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  TOPICS,
  createCustomerKey,
  createDecisionId,
  customerKeyToBytes,
  decisionCodec,
  decisionIdFromBytes,
  decisionIdToBytes,
  eventCodec,
  outcomeCodec,
  rewardCodec,
  shardOf,
} from '#contracts';
import type { CustomerKey, Decision, DecisionId, EventRecord, Outcome, Reward, Topic } from '#contracts';
import { openLmdbLog } from '#event-log';
import type { AppendRecord, EventLog, LogRecord } from '#event-log';
import { compileFeatures, decodeState, openLmdbFeatureStore } from '#feature-store';
import type { CustomerState, FeatureSet, FeatureStore } from '#feature-store';
import { loadProject, personalNamesOf } from '#project';
import { compileRewards } from './rewards/compile-rewards.ts';
import type { StateProject } from './state/state-role.ts';

export const START_MS = Date.UTC(2026, 10, 23);
export const PARTITIONS = 2;
const keyOf = createCustomerKey('test');

export interface World {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly project: StateProject;
  /** Names that no model sees. */
  readonly personal: ReadonlySet<string>;
  readonly dir: string;
  close(): Promise<void>;
}

const loadTelco = () => loadProject(new URL('../catalog/telco', import.meta.url).pathname);

export const telco = (): StateProject => {
  const project = loadTelco();
  return {
    featureSet: compileFeatures(project),
    rewards: compileRewards(project),
    actionGroup: (id) => (id.startsWith('offer') ? 'offer' : 'care'),
  };
};

export const openWorld = async (): Promise<World> => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-pipeline-'));
  const log = await openLmdbLog({ dir: join(dir, 'log'), partitions: PARTITIONS });
  const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: PARTITIONS });
  return {
    log,
    store,
    dir,
    project: telco(),
    personal: personalNamesOf(loadTelco()),
    async close() {
      await log.close();
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

export const customerKey = (customer: string): CustomerKey => keyOf({ kind: 'customer', id: customer });

export const decisionId = (customer: string, number: number, atMs = START_MS): DecisionId =>
  createDecisionId({ atMs, shard: shardOf(customer), entropy: [7, number] });

export const anEvent = (customer: string, id: string, type: string, data: object, atMs = START_MS, receivedAt = atMs): AppendRecord => {
  const event: EventRecord = {
    id,
    source: 'test',
    type,
    subjectKind: 'customer',
    subjectId: customer,
    customerKey: customerKeyToBytes(customerKey(customer)),
    time: atMs,
    receivedAt,
    data: JSON.stringify(data),
  };
  return { topic: TOPICS.events, shard: shardOf(customer), value: eventCodec.encode(event) };
};

export const aDecision = (customer: string, number: number, actionId: string, more: Partial<Decision> = {}): AppendRecord => {
  const decidedAt = more.decidedAt ?? START_MS;
  const decision: Decision = {
    decisionId: decisionIdToBytes(decisionId(customer, number, decidedAt)),
    subjectKind: 'customer',
    subjectId: customer,
    customerKey: customerKeyToBytes(customerKey(customer)),
    anonymous: false,
    requestId: null,
    decidedAt,
    channel: 'app',
    direction: 'inbound',
    placement: null,
    limit: 1,
    loop: '',
    context: '{}',
    ownCandidates: null,
    allowNone: true,
    seed: 1,
    group: 'model',
    catalogVersion: 'catalog',
    controlsVersion: 0,
    modelVersion: 'priors',
    modelSnapshot: 0,
    degraded: [],
    customerKnown: false,
    state: Buffer.alloc(0),
    featureSet: telcoFeatures().fingerprint,
    features: [...telcoFeatures().defaults],
    stages: Buffer.alloc(1),
    scored: [0],
    propensities: [0.1],
    priorities: [4],
    gammas: [10],
    probabilities: [0.8],
    chosen: [{ rank: 1, index: 0, actionId, treatmentId: `${actionId}-app`, propensity: 0.1, probability: 0.8, value: 40, priority: 4 }],
    noneProbability: 0.2,
    latencyUs: 100,
    ...more,
  };
  return { topic: TOPICS.decisions, shard: shardOf(customer), value: decisionCodec.encode(decision) };
};

let features: FeatureSet | undefined;
const telcoFeatures = (): FeatureSet => (features ??= telco().featureSet);

export const anOutcome = (
  customer: string,
  number: number,
  actionId: string,
  outcome: string,
  more: Partial<Outcome> & { decidedAt?: number } = {},
): AppendRecord => {
  const { decidedAt = START_MS, ...rest } = more;
  const record: Outcome = {
    outcomeId: `${number}-${outcome}`,
    decisionId: decisionIdToBytes(decisionId(customer, number, decidedAt)),
    actionId,
    outcome,
    amount: null,
    reward: null,
    reasonCode: null,
    occurredAt: decidedAt + 1_000,
    receivedAt: decidedAt + 1_000,
    ...rest,
  };
  return { topic: TOPICS.outcomes, shard: shardOf(customer), value: outcomeCodec.encode(record) };
};

export const readTopic = async (log: EventLog, topic: Topic): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  for (let partition = 0; partition < log.partitions; partition++) records.push(...(await log.read(topic, partition, 0, 100_000)));
  return records;
};

/** What consumers end up with: the newest revision of each slot. */
export const latestRewards = async (log: EventLog): Promise<Map<string, Reward>> => {
  const latest = new Map<string, Reward>();
  for (const { value } of await readTopic(log, TOPICS.rewards)) {
    const reward = rewardCodec.decode(value);
    const slot = `${decisionIdFromBytes(reward.decisionId)}/${reward.rank}`;
    if ((latest.get(slot)?.revision ?? 0) < reward.revision) latest.set(slot, reward);
  }
  return latest;
};

export const stateOf = async ({ store, project }: World, customer: string): Promise<CustomerState | null> => {
  const bytes = await store.states.read(customerKeyToBytes(customerKey(customer)), shardOf(customer));
  return bytes === null ? null : decodeState(bytes, project.featureSet);
};

export const until = async (holds: () => Promise<boolean> | boolean, withinMs = 8_000): Promise<void> => {
  const endMs = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`still not so after ${withinMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
