/** Compares the topics that are there with those that are planned, in sentences. */
// Node finds few of this CommonJS module's names: the rest are reached through it.
import kafkajs, { type Admin } from 'kafkajs';
import { generationsOf, withAdmin } from './admin.ts';
import { READABLE_COMPRESSION } from './decode-fetch.ts';
import type { Generation } from './generations.ts';
import { planTopics, type PlannedTopic, type TopicsOptions } from './plan-topics.ts';

/** Empty `problems`: all is as it should be. */
export interface TopicsReport {
  readonly problems: readonly string[];
  /** Null: the log was never prepared. */
  readonly generation: Generation | null;
}

export interface ActualTopic {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
  /** Of the topic itself, not the broker's defaults. */
  readonly ownConfig: Readonly<Record<string, string>>;
}

/** KafkaJS has a name for it in its types only. */
const SET_ON_THE_TOPIC = '1';

export async function checkTopics(options: TopicsOptions): Promise<TopicsReport> {
  const generations = await generationsOf(options);
  return withAdmin(options.connection, async (admin) => {
    const found = await describeTopics(admin, planTopics(options, generations));
    const problems = found.flatMap(({ planned, actual }) => problemsOf(planned, actual));
    if (generations.length === 0) problems.push('The log has no epoch yet: attune doctor --fix gives it one.');
    return { problems, generation: generations.at(-1) ?? null };
  });
}

export async function describeTopics(
  admin: Admin,
  planned: readonly PlannedTopic[],
): Promise<readonly { planned: PlannedTopic; actual: ActualTopic | null }[]> {
  const existing = new Set(await admin.listTopics());
  const names = planned.map(({ name }) => name).filter((name) => existing.has(name));
  if (names.length === 0) return planned.map((each) => ({ planned: each, actual: null }));
  const [{ topics }, { resources }] = await Promise.all([
    admin.fetchTopicMetadata({ topics: names }),
    admin.describeConfigs({ includeSynonyms: false, resources: names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })) }),
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

/** An operator may keep less than the law allows, ask more replicas to be in sync, and choose any compression that we can read. */
export function differences({ config, replicationFactor }: PlannedTopic, actual: ActualTopic): readonly (readonly [string, string])[] {
  return Object.entries(config).filter(([key, value]) => {
    const is = actual.config[key];
    if (key === 'compression.type') return is === undefined || !READABLE_COMPRESSION.includes(is);
    if (key === 'segment.ms') return Number(is) > Number(value);
    if (key === 'retention.ms') return value === '-1' ? is !== '-1' : is === '-1' || Number(is) > Number(value);
    if (key === 'min.insync.replicas') return Number(is) < Number(value) || Number(is) > Math.max(Number(value), replicationFactor - 1);
    return is !== value;
  });
}
