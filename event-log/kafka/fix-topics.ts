/** Makes the topics what they are planned to be. */
import { setTimeout as sleep } from 'node:timers/promises';
// Node finds few of this CommonJS module's names: the rest are reached through it.
import kafkajs, { type Admin } from 'kafkajs';
import { EngineUnavailable } from '#contracts';
import { generationsOf, withAdmin, writeGeneration } from './admin.ts';
import { checkTopics, describeTopics, differences, type ActualTopic } from './check-topics.ts';
import { createCluster } from './connection.ts';
import { withPatience } from './patience.ts';
import { DEFAULT_PARTITIONS, planTopics, type PlannedTopic, type TopicsOptions } from './plan-topics.ts';
import type { KafkaConnection } from './settings.ts';

export interface FixReport {
  readonly done: readonly string[];
  /** What a person has to decide. */
  readonly problems: readonly string[];
}

const PATIENCE_MS = 10_000;
const SETTLE_MS = 5_000;

/** Makes what is missing and sets what is different; never fewer partitions, nor more than the log's own number. */
export async function fixTopics(options: TopicsOptions & { readonly nowMs: number; readonly epoch: number }): Promise<FixReport> {
  const before = await generationsOf(options);
  const planned = planTopics(options, before);
  const done = await withAdmin(options.connection, async (admin) => {
    const found = await describeTopics(admin, planned);
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
  return { done, problems: await remaining(options, done.length > 0) };
}

/** Brokers answer before each of them goes by what they were told: what was mended is asked for again until it shows. */
async function remaining(options: TopicsOptions, mended: boolean): Promise<readonly string[]> {
  for (const end = Date.now() + SETTLE_MS; ;) {
    const { problems } = await checkTopics(options);
    if (problems.length === 0 || !mended || Date.now() > end) return problems;
    await sleep(100);
  }
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
export async function waitForLeaders(connection: KafkaConnection, planned: readonly PlannedTopic[]): Promise<void> {
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
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries: merged.map(([key, value]) => ({ name: key, value })) }],
    });
    done.push(...changed.map(([key, value]) => `${name} has ${key}=${value} now.`));
  }
  return done;
}
