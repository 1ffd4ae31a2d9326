/** Deletes what the log need not keep, beside the brokers' own retention and compaction: never what a required group has yet to read. */
import { COMPACTED_TOPICS, TOPICS } from '#contracts';
import type { EventLog } from '../port.ts';
import type { Reader } from './reader.ts';

export interface RetentionDeps {
  readonly reader: Reader;
  readonly topicPrefix: string;
  readonly partitions: number;
}

/** Returns how many records went. Compacted topics are the brokers' to compact. */
export async function retain(deps: RetentionDeps, { nowMs, maxAgeMs, requiredGroups }: Parameters<EventLog['retain']>[0]): Promise<number> {
  const { reader, topicPrefix } = deps;
  const partitions = Array.from({ length: deps.partitions }, (_, partition) => partition);
  let removed = 0;
  for (const topic of Object.values(TOPICS)) {
    if (COMPACTED_TOPICS.includes(topic)) continue;
    const groups = requiredGroups.filter(({ topics }) => topics.includes(topic));
    const commits = await Promise.all(groups.map(({ group }) => reader.committed(`${topicPrefix}${group}`, [topic], partitions)));
    const removals = partitions.map(async (partition) => {
      const [{ first }, aged] = await Promise.all([reader.offsets(topic, partition), reader.offsetAt(topic, partition, nowMs - maxAgeMs)]);
      const cut = Math.min(aged, ...commits.map((committed) => committed.get(`${topic}/${partition}`) ?? 0));
      if (cut <= first) return 0;
      await reader.deleteBefore(topic, partition, cut);
      return cut - first;
    });
    for (const count of await Promise.all(removals)) removed += count;
  }
  return removed;
}
