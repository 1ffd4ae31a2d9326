/**
 * The log's life, written in Kafka itself: `attune.log` has one partition that is kept for ever and holds a record for each generation,
 * with its epoch and its number of partitions. The first record of the highest generation counts.
 */
import { AttuneError } from '#contracts';
import type { Cluster } from './cluster.ts';
import { fetchFrom } from './fetch.ts';
import { throwUnless0, withPatience } from './patience.ts';

export const GENERATIONS_TOPIC = 'attune.log';

export interface Generation {
  /** 1, 2, 3 …: one more whenever the number of partitions is raised. */
  readonly generation: number;
  /** A positive integer below 2^31. */
  readonly epoch: number;
  readonly partitions: number;
  readonly atMs: number;
}

const FETCH_BYTES = 1_000_000;
const UNKNOWN_TOPIC = 3;

/** Oldest first; empty when the topic is missing or has no record yet. */
export async function readGenerations(cluster: Cluster, topicPrefix: string, patienceMs: number): Promise<readonly Generation[]> {
  const kafkaTopic = `${topicPrefix}${GENERATIONS_TOPIC}`;
  const values = await withPatience(patienceMs, async () => {
    const state = (await cluster.describe([kafkaTopic])).get(kafkaTopic);
    if (state === undefined || state.errorCode === UNKNOWN_TOPIC || state.leaders.length === 0) return [];
    const found: Buffer[] = [];
    for (let offset = 0; ;) {
      const node = await cluster.leaderOf(kafkaTopic, 0);
      const limits = { maxWaitMs: 0, maxBytes: FETCH_BYTES, maxBytesPerPartition: FETCH_BYTES };
      const [fetched] = await fetchFrom(cluster, node, [{ kafkaTopic, partition: 0, offset }], limits);
      throwUnless0(fetched!.errorCode, kafkaTopic);
      if (fetched!.fault !== null) throw fetched!.fault;
      found.push(...fetched!.records.flatMap(({ value }) => (value === null ? [] : [value])));
      if (fetched!.next === null || fetched!.next >= fetched!.highWatermark) return found;
      offset = fetched!.next;
    }
  });
  const byNumber = new Map<number, Generation>();
  for (const value of values) {
    const generation = parseGeneration(value, kafkaTopic);
    if (!byNumber.has(generation.generation)) byNumber.set(generation.generation, generation);
  }
  return [...byNumber.values()].toSorted((a, b) => a.generation - b.generation);
}

export function encodeGeneration({ generation, epoch, partitions, atMs }: Generation): Buffer {
  return Buffer.from(JSON.stringify({ generation, epoch, partitions, at: new Date(atMs).toISOString() }));
}

function parseGeneration(value: Buffer, kafkaTopic: string): Generation {
  const { generation, epoch, partitions, at } = JSON.parse(value.toString()) as Record<string, unknown>;
  if (!isCount(generation) || !isCount(epoch) || !isCount(partitions))
    throw new AttuneError(
      'event-log.generation',
      `A record of ${kafkaTopic} is not a generation of the log: ${value.toString().slice(0, 200)}.`,
    );
  return { generation, epoch, partitions, atMs: Date.parse(String(at)) };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 2 ** 31;
}
