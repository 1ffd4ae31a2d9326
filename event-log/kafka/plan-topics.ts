/** The topics that the log needs, with their settings. */
import { COMPACTED_TOPICS, TOPICS, type Topic } from '#contracts';
import { GENERATIONS_TOPIC, type Generation } from './generations.ts';
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

const DAY_MS = 86_400_000;
export const DEFAULT_PARTITIONS = 16;

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
    // The cluster's default may be one that we cannot read.
    'compression.type': 'producer',
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
