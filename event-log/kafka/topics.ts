/** The topics that the log needs: planned, compared with what is there, and made so. */
import { ConfigResourceTypes, type Admin } from 'kafkajs';
import { COMPACTED_TOPICS, EngineUnavailable, TOPICS, type Topic } from '#contracts';
import { createCluster, createKafka } from './connection.ts';
import { encodeGeneration, GENERATIONS_TOPIC, readGenerations, type Generation } from './generations.ts';
import { withPatience } from './patience.ts';
import type { KafkaConnection } from './settings.ts';

export interface TopicsOptions {
  readonly connection: KafkaConnection;
  readonly topicPrefix?: string;
  /** Of a log that is yet to be made; an existing one has its own number. Default 16. */
  readonly partitions?: number;
  /** Default 3. */
  readonly replicationFactor?: number;
  /** Default 2, or less where there are fewer replicas. */
  readonly minInsyncReplicas?: number;
  /** How long raw records are kept (law 9). Default 30. */
  readonly retentionDays?: number;
}

export interface PlannedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}

/** Empty `problems`: all is as it should be. */
export interface TopicsReport {
  readonly problems: readonly string[];
  /** Null: the log was never prepared. */
  readonly generation: Generation | null;
}

export interface FixReport {
  readonly done: readonly string[];
  /** What a person has to decide. */
  readonly problems: readonly string[];
}

const DAY_MS = 86_400_000;
const DEFAULT_PARTITIONS = 16;
/** KafkaJS has a name for it in its types only. */
const SET_ON_THE_TOPIC = '1';
const PATIENCE_MS = 10_000;

/** `generations`: of a log that exists. Compacted topics keep the partitions of the first one: a key must stay where it is. */
export function planTopics(options: TopicsOptions, generations: readonly Generation[] = []): readonly PlannedTopic[] {
  const { topicPrefix = '', replicationFactor = 3, retentionDays = 30, partitions = DEFAULT_PARTITIONS } = options;
  const minInsync = Math.min(options.minInsyncReplicas ?? 2, replicationFactor);
  // A record leaves with its segment: the youngest of a segment may be this much older than the oldest.
  const segmentMs = Math.min(DAY_MS, (retentionDays * DAY_MS) / 10);
  const everywhere = {
    'min.insync.replicas': String(minInsync),
    'unclean.leader.election.enable': 'false',
    'message.timestamp.type': 'LogAppendTime',
  };
  const history = {
    ...everywhere,
    'cleanup.policy': 'delete',
    'segment.ms': String(segmentMs),
    'retention.ms': String(retentionDays * DAY_MS - segmentMs),
  };
  const compacted = { ...everywhere, 'cleanup.policy': 'compact', 'segment.ms': String(segmentMs) };
  const forEver = { ...everywhere, 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
  const planned = Object.values(TOPICS).map((topic: Topic): PlannedTopic => {
    const isCompacted = COMPACTED_TOPICS.includes(topic);
    const generation = isCompacted ? generations[0] : generations.at(-1);
    const config = isCompacted ? compacted : history;
    return { name: `${topicPrefix}${topic}`, partitions: generation?.partitions ?? partitions, replicationFactor, config };
  });
  return [...planned, { name: `${topicPrefix}${GENERATIONS_TOPIC}`, partitions: 1, replicationFactor, config: forEver }];
}

export async function checkTopics(options: TopicsOptions): Promise<TopicsReport> {
  const generations = await generationsOf(options);
  return withAdmin(options.connection, async (admin) => {
    const found = await describe(admin, planTopics(options, generations));
    const problems = found.flatMap(({ planned, actual }) => problemsOf(planned, actual));
    if (generations.length === 0) problems.push('The log has no epoch yet: attune doctor --fix gives it one.');
    return { problems, generation: generations.at(-1) ?? null };
  });
}

/** Makes what is missing and sets what is different; never fewer partitions, nor more than the log's own number. */
export async function fixTopics(options: TopicsOptions & { readonly nowMs: number; readonly epoch: number }): Promise<FixReport> {
  const before = await generationsOf(options);
  const planned = planTopics(options, before);
  const done = await withAdmin(options.connection, async (admin) => {
    const found = await describe(admin, planned);
    const created = await create(
      admin,
      found.flatMap(({ planned: topic, actual }) => (actual === null ? [topic] : [])),
    );
    const changed: string[] = [];
    for (const { planned: topic, actual } of found) if (actual !== null) changed.push(...(await change(admin, topic, actual)));
    return [...created, ...changed];
  });
  await waitForLeaders(options.connection, planned);
  if (before.length === 0) {
    const first = { generation: 1, epoch: options.epoch, partitions: options.partitions ?? DEFAULT_PARTITIONS, atMs: options.nowMs };
    await writeGeneration(options, first);
    done.push(`The log has an epoch, ${first.epoch}, and ${first.partitions} partitions.`);
  }
  return { done, problems: (await checkTopics(options)).problems };
}

export async function generationsOf({ connection, topicPrefix = '' }: TopicsOptions): Promise<readonly Generation[]> {
  const cluster = createCluster(connection);
  try {
    return await readGenerations(cluster, topicPrefix, PATIENCE_MS);
  } finally {
    await cluster.close();
  }
}

export async function writeGeneration({ connection, topicPrefix = '' }: TopicsOptions, generation: Generation): Promise<void> {
  const producer = createKafka(connection).producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: () => () => 0 });
  await producer.connect();
  try {
    const topic = `${topicPrefix}${GENERATIONS_TOPIC}`;
    await producer.send({ topic, acks: -1, messages: [{ partition: 0, value: encodeGeneration(generation) }] });
  } finally {
    await producer.disconnect();
  }
}

async function withAdmin<T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(connection).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

interface ActualTopic {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
  /** Of the topic itself, not the broker's defaults. */
  readonly ownConfig: Readonly<Record<string, string>>;
}

async function describe(
  admin: Admin,
  planned: readonly PlannedTopic[],
): Promise<readonly { planned: PlannedTopic; actual: ActualTopic | null }[]> {
  const existing = new Set(await admin.listTopics());
  const names = planned.map(({ name }) => name).filter((name) => existing.has(name));
  if (names.length === 0) return planned.map((each) => ({ planned: each, actual: null }));
  const [{ topics }, { resources }] = await Promise.all([
    admin.fetchTopicMetadata({ topics: names }),
    admin.describeConfigs({ includeSynonyms: false, resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })) }),
  ]);
  return planned.map((each) => {
    const metadata = topics.find(({ name }) => name === each.name);
    const entries = resources.find(({ resourceName }) => resourceName === each.name)?.configEntries;
    if (metadata === undefined || entries === undefined) return { planned: each, actual: null };
    const asRecord = (chosen: typeof entries): Record<string, string> =>
      Object.fromEntries(chosen.map(({ configName, configValue }) => [configName, configValue]));
    return {
      planned: each,
      actual: {
        partitions: metadata.partitions.length,
        replicationFactor: Math.min(...metadata.partitions.map(({ replicas }) => replicas.length)),
        config: asRecord(entries),
        ownConfig: asRecord(entries.filter(({ configSource }) => String(configSource) === SET_ON_THE_TOPIC)),
      },
    };
  });
}

function problemsOf(planned: PlannedTopic, actual: ActualTopic | null): string[] {
  const { name } = planned;
  if (actual === null) return [`The topic ${name} is missing.`];
  const problems: string[] = [];
  if (actual.partitions < planned.partitions)
    problems.push(`${name} has ${actual.partitions} partitions; the log has ${planned.partitions}.`);
  if (actual.partitions > planned.partitions)
    problems.push(
      `${name} has ${actual.partitions} partitions, more than the log's ${planned.partitions}: finish raising them, or make the topic anew.`,
    );
  if (actual.replicationFactor < planned.replicationFactor)
    problems.push(
      `${name} has ${actual.replicationFactor} replicas of some partition, not ${planned.replicationFactor}: reassign its partitions.`,
    );
  for (const [key, value] of differences(planned, actual)) problems.push(`${name} has ${key}=${actual.config[key] ?? ''}, not ${value}.`);
  return problems;
}

/** An operator may keep less than the law allows, and ask more replicas to be in sync. */
function differences({ config, replicationFactor }: PlannedTopic, actual: ActualTopic): readonly (readonly [string, string])[] {
  return Object.entries(config).filter(([key, value]) => {
    const is = actual.config[key];
    if (key === 'segment.ms') return Number(is) > Number(value);
    if (key === 'retention.ms') return value === '-1' ? is !== '-1' : is === '-1' || Number(is) > Number(value);
    if (key === 'min.insync.replicas') return Number(is) < Number(value) || Number(is) > Math.max(Number(value), replicationFactor - 1);
    return is !== value;
  });
}

async function create(admin: Admin, planned: readonly PlannedTopic[]): Promise<string[]> {
  if (planned.length === 0) return [];
  const topics = planned.map(({ name, partitions, replicationFactor, config }) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor,
    configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
  }));
  await admin.createTopics({ waitForLeaders: false, topics });
  return planned.map(({ name, partitions }) => `${name} was created with ${partitions} partitions.`);
}

/** A topic that was just made is not known to every broker at once. */
async function waitForLeaders(connection: KafkaConnection, planned: readonly PlannedTopic[]): Promise<void> {
  const cluster = createCluster(connection);
  const names = planned.map(({ name }) => name);
  try {
    await withPatience(PATIENCE_MS, async () => {
      const topics = await cluster.describe(names);
      for (const { name, partitions } of planned) {
        const leaders = topics.get(name)?.leaders ?? [];
        if (leaders.length < partitions || leaders.includes(null))
          throw new EngineUnavailable('event-log', `Kafka: ${name} has not yet a leader for each of its ${partitions} partitions.`);
      }
    });
  } finally {
    await cluster.close();
  }
}

async function change(admin: Admin, planned: PlannedTopic, actual: ActualTopic): Promise<string[]> {
  const { name, partitions } = planned;
  const done: string[] = [];
  if (actual.partitions < partitions) {
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: partitions }] });
    done.push(`${name} has ${partitions} partitions now, not ${actual.partitions}.`);
  }
  const changed = differences(planned, actual);
  if (changed.length > 0) {
    // Kafka forgets every setting of the topic that is not in the request.
    const merged = Object.entries({ ...actual.ownConfig, ...Object.fromEntries(changed) });
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: merged.map(([key, value]) => ({ name: key, value })) }],
    });
    done.push(...changed.map(([key, value]) => `${name} has ${key}=${value} now.`));
  }
  return done;
}
