/** Opens the event log on Apache Kafka, shared by the processes of many machines. */
import { AttuneError, COMPACTED_TOPICS, EngineUnavailable, type Topic } from '#contracts';
import type { ConsumeOptions, Consumer, EventLog, Follower } from '../port.ts';
import { Appender } from './appender.ts';
import type { Cluster } from './cluster.ts';
import { createCluster, REQUEST_TIMEOUT_MS } from './connection.ts';
import { GENERATIONS_TOPIC, readGenerations, type Generation } from './generations.ts';
import { KafkaConsumer } from './kafka-consumer.ts';
import { followTopics } from './kafka-follower.ts';
import { Reader } from './reader.ts';
import { retain } from './retention.ts';
import type { KafkaLogOptions } from './settings.ts';

/** How long opening and reading try before they reject. */
const PATIENCE_MS = 10_000;
const WATCH_MS = 2_000;

/**
 * Throws EngineUnavailable when no broker answers, `event-log.not-prepared` when the topics or the log's epoch are missing.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const { connection, topicPrefix = '', wire, appendTimeoutMs = 10_000, sessionTimeoutMs = 10_000, heartbeatMs = 1_000 } = options;
  const openCluster = (): Cluster => createCluster(connection);
  const readCluster = openCluster();
  const appendCluster = openCluster();
  let generations: readonly Generation[];
  try {
    generations = await prepared(readCluster, topicPrefix);
  } catch (error) {
    await Promise.all([readCluster.close(), appendCluster.close()]);
    throw error;
  }
  const { epoch, partitions } = generations.at(-1)!;
  // Compacted topics keep the partitions of the first generation, for a key must stay where it is: the others are empty.
  const partitionsOf = (topic: Topic): number => (COMPACTED_TOPICS.includes(topic) ? generations[0]! : generations.at(-1)!).partitions;

  const fromWire = wire === undefined ? null : (topic: Topic, value: Buffer) => wire.fromWire(topic, value);
  const toWire = wire === undefined ? null : (topic: Topic, value: Buffer) => wire.toWire(topic, value);
  const reader = new Reader({ cluster: readCluster, topicPrefix, fromWire, patienceMs: PATIENCE_MS });
  const requestTimeoutMs = connection.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const appender = new Appender({ cluster: appendCluster, partitionsOf, topicPrefix, appendTimeoutMs, requestTimeoutMs, toWire });
  const consumers = new Set<Pick<Consumer, 'stop'>>();
  let closing: Promise<void> | null = null;

  const refuseClosed = (): void => {
    if (closing !== null) throw new EngineUnavailable('event-log', 'The log is closed.');
  };

  /** A process that was forgotten when the partitions were raised must not go on writing where nobody looks in order. */
  const watch = setInterval(() => {
    readGenerations(readCluster, topicPrefix, 0).then(
      (now) => {
        const newest = now.at(-1);
        if (newest === undefined || newest.generation === generations.at(-1)!.generation || closing !== null) return;
        clearInterval(watch);
        const why = `The log has ${newest.partitions} partitions by now, and this process knows ${partitions}: start it anew.`;
        appender.refuse(new EngineUnavailable('event-log', why));
        for (const consumer of consumers) void consumer.stop();
        options.onSuperseded?.();
      },
      () => undefined,
    );
  }, WATCH_MS);
  watch.unref();

  /** Until it has stopped: a log may outlive many followers. */
  function keep<Kept extends Pick<Consumer, 'stop'>>(consumer: Kept): Kept {
    const stop = consumer.stop.bind(consumer);
    consumer.stop = () => stop().finally(() => consumers.delete(consumer));
    consumers.add(consumer);
    return consumer;
  }

  async function close(): Promise<void> {
    clearInterval(watch);
    await Promise.all([...consumers].map((consumer) => consumer.stop()));
    await appender.close();
    await Promise.all([readCluster.close(), appendCluster.close()]);
  }

  return {
    epoch,
    partitions,
    raisedAtMs: generations.length > 1 ? generations.at(-1)!.atMs : undefined,
    formerPartitions: generations
      .slice(0, -1)
      .map((former) => former.partitions)
      .toReversed(),
    append: (records) => appender.append(records),
    async read(topic, partition, offset, maxRecords) {
      refuseClosed();
      if (partition >= partitionsOf(topic)) return [];
      return reader.read(topic, partition, offset, maxRecords);
    },
    async offsets(topic, partition) {
      refuseClosed();
      if (partition >= partitionsOf(topic)) return { first: 0, next: 0 };
      return reader.offsets(topic, partition);
    },
    async offsetAt(topic, partition, timeMs) {
      refuseClosed();
      if (partition >= partitionsOf(topic)) return 0;
      return reader.offsetAt(topic, partition, timeMs);
    },
    consume(consume: ConsumeOptions): Consumer {
      refuseClosed();
      const deps = {
        openCluster,
        sharedCluster: readCluster,
        reader,
        topicPrefix,
        partitions,
        partitionsOf,
        sessionTimeoutMs,
        heartbeatMs,
      };
      return keep(new KafkaConsumer(deps, consume));
    },
    follow(topics, onRecord): Follower {
      refuseClosed();
      return keep(followTopics({ openCluster, reader, topicPrefix, partitionsOf }, topics, onRecord));
    },
    async committed(group, topic, partition) {
      refuseClosed();
      if (partition >= partitionsOf(topic)) return null;
      const committed = await reader.committed(`${topicPrefix}${group}`, [topic], [partition]);
      return committed.get(`${topic}/${partition}`) ?? null;
    },
    async lag(group, topics) {
      refuseClosed();
      return reader.lag(
        `${topicPrefix}${group}`,
        topics.map((topic) => ({ topic, partitions: partitionsOf(topic) })),
      );
    },
    async retain(retention) {
      refuseClosed();
      return retain({ reader, topicPrefix, partitions }, retention);
    },
    close: () => (closing ??= close()),
  };
}

async function prepared(cluster: Cluster, topicPrefix: string): Promise<readonly Generation[]> {
  const generations = await readGenerations(cluster, topicPrefix, PATIENCE_MS);
  if (generations.length > 0) return generations;
  throw new AttuneError(
    'event-log.not-prepared',
    `Kafka has no log of Attune (${topicPrefix}${GENERATIONS_TOPIC} is missing or empty): run attune doctor --fix.`,
  );
}
