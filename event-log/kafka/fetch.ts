/** One fetch from one broker, of many partitions at once. */
import type { Cluster } from './cluster.ts';
import { decodeFetch, type FetchedPartition } from './decode-fetch.ts';

export interface FetchTarget {
  readonly kafkaTopic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchLimits {
  /** How long the broker may wait for a first record. */
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
}

/** Records that a transaction has not committed come too: Attune makes none, and reads only what it wrote. */
const READ_UNCOMMITTED = 0;

export async function fetchFrom(
  cluster: Cluster,
  node: number,
  targets: readonly FetchTarget[],
  { maxWaitMs, maxBytes, maxBytesPerPartition }: FetchLimits,
): Promise<readonly FetchedPartition[]> {
  const offsets = new Map(targets.map(({ kafkaTopic, partition, offset }) => [`${kafkaTopic}/${partition}`, offset]));
  const byTopic = Map.groupBy(targets, ({ kafkaTopic }) => kafkaTopic);
  const raw = await cluster.sendRaw(node, 'Fetch', {
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: READ_UNCOMMITTED,
    topics: [...byTopic].map(([topic, group]) => ({
      topic,
      partitions: group.map(({ partition, offset }) => ({ partition, fetchOffset: String(offset), maxBytes: maxBytesPerPartition })),
    })),
  });
  return decodeFetch(raw, (topic, partition) => offsets.get(`${topic}/${partition}`)!);
}
