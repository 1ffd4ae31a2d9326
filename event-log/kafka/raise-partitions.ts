/**
 * Raises the log's number of partitions: a new generation of the log, with a new epoch. A customer's records before it lie in another
 * partition than those after it, so that nothing of the former may be left to read for the one writer of the customer's state.
 */
import { AttuneError, COMPACTED_TOPICS, STATE_INPUTS, type Topic } from '#contracts';
import { generationsOf, withAdmin, writeGeneration } from './admin.ts';
import { createCluster } from './connection.ts';
import { waitForLeaders } from './fix-topics.ts';
import type { Generation } from './generations.ts';
import { ASSIGNMENT_PROTOCOL } from './group-member.ts';
import { planTopics, type TopicsOptions } from './plan-topics.ts';
import { Reader } from './reader.ts';

export interface RaiseOptions extends TopicsOptions {
  readonly partitions: number;
  readonly nowMs: number;
  readonly epoch: number;
  /** Must have read all of its topics. Default: the one writer of states, and its inputs. */
  readonly fullyRead?: { readonly group: string; readonly topics: readonly Topic[] };
}

const PATIENCE_MS = 10_000;

/**
 * Changes nothing, and resolves to the generations so far when they may be raised. Throws `event-log.not-prepared` without a log,
 * `event-log.partitions` for a number that is not larger, `event-log.in-use` while members of its groups live or records are left to read.
 */
export async function checkRaise(options: Omit<RaiseOptions, 'nowMs' | 'epoch'>): Promise<readonly Generation[]> {
  const { partitions } = options;
  const generations = await generationsOf(options);
  const current = generations.at(-1);
  if (current === undefined) throw new AttuneError('event-log.not-prepared', 'Kafka has no log of Attune yet: run attune doctor --fix.');
  if (!Number.isInteger(partitions) || partitions <= current.partitions)
    throw new AttuneError(
      'event-log.partitions',
      `The log has ${current.partitions} partitions, and their number can only be raised; ${partitions} is not more.`,
    );
  await refuseLiveMembers(options);
  await refuseUnread(options, generations);
  return generations;
}

/** Throws as `checkRaise` does. Interrupted, it is run again. */
export async function raisePartitions(options: RaiseOptions): Promise<{ readonly done: readonly string[] }> {
  const { partitions, connection, nowMs, epoch } = options;
  const generations = await checkRaise(options);
  const raised: Generation = { generation: generations.at(-1)!.generation + 1, epoch, partitions, atMs: nowMs };
  const planned = planTopics(options, [...generations, raised]);
  const done = await withAdmin(connection, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: planned.map(({ name }) => name) });
    // A run that was interrupted raised some of them.
    const topicPartitions = planned
      .filter(({ name, partitions: count }) => topics.find((topic) => topic.name === name)!.partitions.length < count)
      .map(({ name, partitions: count }) => ({ topic: name, count }));
    if (topicPartitions.length > 0) await admin.createPartitions({ topicPartitions });
    return topicPartitions.map(({ topic, count }) => `${topic} has ${count} partitions now.`);
  });
  await waitForLeaders(connection, planned);
  await writeGeneration(options, raised);
  return { done: [...done, `The log is in generation ${raised.generation}, with epoch ${epoch}.`] };
}

async function refuseLiveMembers({ connection, topicPrefix = '' }: TopicsOptions): Promise<void> {
  const live = await withAdmin(connection, async (admin) => {
    const ids = (await admin.listGroups()).groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(topicPrefix));
    const groups = ids.length === 0 ? [] : (await admin.describeGroups(ids)).groups;
    return groups.filter(({ protocol, members }) => protocol === ASSIGNMENT_PROTOCOL && members.length > 0);
  });
  if (live.length === 0) return;
  const names = live.map(({ groupId, members }) => `${groupId} (${members.length})`).join(', ');
  throw new AttuneError(
    'event-log.in-use',
    `Stop every process of Attune before the partitions are raised: groups with members: ${names}.`,
  );
}

async function refuseUnread(options: Pick<RaiseOptions, 'fullyRead'> & TopicsOptions, generations: readonly Generation[]): Promise<void> {
  const { topicPrefix = '', fullyRead = { group: 'state', topics: STATE_INPUTS } } = options;
  const lag = await unreadRecords({ ...options, ...fullyRead, partitions: generations.at(-1)!.partitions });
  if (lag > 0)
    throw new AttuneError(
      'event-log.in-use',
      `The group ${topicPrefix}${fullyRead.group} has ${lag} records left to read: let the pipeline finish them, stop it, and raise the partitions then.`,
    );
}

/** Of the log's history, with the partitions that it has. */
export async function unreadRecords(options: {
  readonly connection: TopicsOptions['connection'];
  readonly topicPrefix?: string;
  readonly group: string;
  readonly topics: readonly Topic[];
  readonly partitions: number;
}): Promise<number> {
  const { connection, topicPrefix = '', group, topics, partitions } = options;
  const cluster = createCluster(connection);
  try {
    const reader = new Reader({ cluster, topicPrefix, fromWire: null, patienceMs: PATIENCE_MS });
    const history = topics.filter((topic) => !COMPACTED_TOPICS.includes(topic)).map((topic) => ({ topic, partitions }));
    return await reader.lag(`${topicPrefix}${group}`, history);
  } finally {
    await cluster.close();
  }
}
