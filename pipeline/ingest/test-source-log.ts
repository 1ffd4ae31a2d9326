/** The operator's topics as arrays, for tests: read in a group at least once, and a member may die between append and commit, or be a zombie. */
import type { ConsumeSourceOptions, SourceConsumer, SourceLog, SourceRecord } from '#event-log';

export interface TestSourceLog extends SourceLog {
  readonly topics: Map<string, { id: string; partitions: SourceRecord[][] }>;
  /** By group and partition: the next offset. */
  readonly committed: Map<string, number>;
  send(topic: string, partition: number, value: unknown, more?: Partial<SourceRecord>): void;
  /** Delivers what is there to the newest consumer of the topic, and commits; rejects as its `onBatch` does. */
  deliver(topic: string, partition: number, options?: { from?: number; most?: number; commit?: boolean }): Promise<void>;
}

export const createTestSourceLog = (): TestSourceLog => {
  const topics: TestSourceLog['topics'] = new Map();
  const committed = new Map<string, number>();
  const consumers = new Map<string, ConsumeSourceOptions>();
  const topicOf = (name: string) => {
    let found = topics.get(name);
    if (found === undefined) topics.set(name, (found = { id: 'life1', partitions: [[], [], []] }));
    return found;
  };
  return {
    topics,
    committed,
    send(topic, partition, value, more = {}) {
      const records = topicOf(topic).partitions[partition]!;
      records.push({
        topic,
        partition,
        offset: records.length,
        timestampMs: Date.UTC(2026, 10, 23),
        key: null,
        value: value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
        headers: {},
        ...more,
      });
    },
    async deliver(topic, partition, { from, most = Infinity, commit = true } = {}) {
      const options = consumers.get(topic);
      if (options === undefined) throw new Error(`nobody reads ${topic}`);
      const { id, partitions } = topicOf(topic);
      const place = `${options.group}/${partition}`;
      const first = from ?? committed.get(place) ?? 0;
      const records = partitions[partition]!.slice(first, Math.min(first + most, first + (options.maxRecords ?? 1_000)));
      if (records.length === 0) return;
      const next = first + records.length;
      await options.onBatch({ topic, topicId: id, partition, records, lag: partitions[partition]!.length - next });
      if (commit) committed.set(place, next);
    },
    consume(options): SourceConsumer {
      consumers.set(options.topic, options);
      return {
        async stop() {
          if (consumers.get(options.topic) === options) consumers.delete(options.topic);
        },
      };
    },
    async describe(topic, group) {
      const found = topics.get(topic);
      if (found === undefined) return null;
      const ends = found.partitions.map((records, i) => records.length - (committed.get(`${group}/${i}`) ?? 0));
      return { topicId: found.id, partitions: found.partitions.length, lag: ends.reduce((sum, lag) => sum + lag, 0) };
    },
    async close() {},
  };
};
