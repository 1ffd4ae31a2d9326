/** Opens the operator's own topics on Apache Kafka, by KafkaJS's consumer groups. */
import type { Consumer, EachBatchPayload, IHeaders, KafkaMessage } from 'kafkajs';
import { AttuneError, EngineUnavailable } from '#contracts';
import { sleep } from '../backoff.ts';
import { createCluster, createKafka } from '../kafka/connection.ts';
import type { KafkaConnection } from '../kafka/settings.ts';
import type { ConsumeSourceOptions, SourceConsumer, SourceLog, SourceRecord } from '../source-port.ts';
import { readTopicId } from './topic-id.ts';

export interface KafkaSourceLogOptions {
  readonly connection: KafkaConnection;
  /** Before the name of every group; topics are named as they are. Default ''. */
  readonly groupPrefix?: string;
  /** A member that is not heard for so long loses its partitions. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** Default 1,000. */
  readonly heartbeatMs?: number;
}

const MAX_RECORDS = 1_000;
const FIRST_BACKOFF_MS = 200;
const LAST_BACKOFF_MS = 10_000;
/** KafkaJS waits for the fetch in hand before it ends. */
const FETCH_WAIT_MS = 250;
const CONCURRENT_PARTITIONS = 4;

export const openKafkaSourceLog = (options: KafkaSourceLogOptions): SourceLog => {
  const { connection, groupPrefix = '', sessionTimeoutMs = 10_000, heartbeatMs = 1_000 } = options;
  const kafka = createKafka(connection);
  const cluster = createCluster(connection);
  const consumers = new Set<SourceConsumer>();
  const topicIdOf = (topic: string): Promise<string | null> => readTopicId(cluster, topic);

  const open = (group: string): Consumer =>
    kafka.consumer({
      groupId: groupPrefix + group,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: FIRST_BACKOFF_MS, maxRetryTime: LAST_BACKOFF_MS, retries: 5, restartOnFailure: async () => false },
    });

  return {
    consume(consumeOptions) {
      const running = runMember({ open: () => open(consumeOptions.group), topicIdOf, heartbeatMs }, consumeOptions);
      const consumer: SourceConsumer = {
        async stop() {
          consumers.delete(consumer);
          await running.stop();
        },
      };
      consumers.add(consumer);
      return consumer;
    },
    async describe(topic, group) {
      const topicId = await topicIdOf(topic);
      if (topicId === null) return null;
      const admin = kafka.admin();
      try {
        await admin.connect();
        const ends = await admin.fetchTopicOffsets(topic);
        const [committed] = await admin.fetchOffsets({ groupId: groupPrefix + group, topics: [topic] });
        const offsets = new Map(committed!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
        const isNew = [...offsets.values()].every((offset) => offset < 0);
        const lag = ends.reduce((sum, { partition, high, low }) => {
          const offset = offsets.get(partition) ?? -1;
          return sum + Number(high) - (offset < 0 ? Number(low) : offset);
        }, 0);
        return { topicId, partitions: ends.length, lag: isNew ? null : lag };
      } catch (cause) {
        throw new EngineUnavailable('event-log', `Kafka: ${topic} cannot be described: ${(cause as Error).message}`, cause);
      } finally {
        await admin.disconnect();
      }
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.stop()));
      await cluster.close();
    },
  };
};

interface MemberDeps {
  readonly open: () => Consumer;
  readonly topicIdOf: (topic: string) => Promise<string | null>;
  readonly heartbeatMs: number;
}

/** A member of the group, replaced by a new one whenever KafkaJS gives it up. */
const runMember = (deps: MemberDeps, options: ConsumeSourceOptions): SourceConsumer => {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    for (let backoffMs = FIRST_BACKOFF_MS; !stopping.signal.aborted; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
      const startedMs = performance.now();
      try {
        await runOnce(deps, options, stopping.signal);
      } catch (error) {
        options.onError(error);
      }
      if (performance.now() - startedMs > 2 * LAST_BACKOFF_MS) backoffMs = FIRST_BACKOFF_MS;
      await sleep(backoffMs, stopping.signal);
    }
  };
  const ended = loop();
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
};

/** Resolves when it was stopped, rejects when KafkaJS gave the member up. */
const runOnce = async (deps: MemberDeps, options: ConsumeSourceOptions, stopping: AbortSignal): Promise<void> => {
  const { topic, from } = options;
  if ((await deps.topicIdOf(topic)) === null) {
    throw new AttuneError('source.no-topic', `there is no topic ${topic}, or it may not be read; it is looked for again`, {
      retriable: true,
    });
  }
  const consumer = deps.open();
  const crashed = Promise.withResolvers<never>();
  const stopped = new Promise<void>((resolve) => {
    if (stopping.aborted) resolve();
    stopping.addEventListener('abort', () => resolve(), { once: true });
  });
  const places = createPlaces(deps, topic);
  consumer.on(consumer.events.CRASH, ({ payload }) => crashed.reject(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, () => places.forget());
  crashed.promise.catch(() => undefined);
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: from === 'earliest' });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
      eachBatch: (payload) => takeBatch({ ...deps, consumer, places, stopping }, options, payload),
    });
    await Promise.race([stopped, crashed.promise]);
  } finally {
    await consumer.disconnect();
  }
};

interface Places {
  /** The topic's id as it is for a batch that begins at `offset`; asked for again when a partition's offsets fall. */
  topicIdAt(partition: number, offset: number): Promise<string>;
  moved(partition: number, next: number): void;
  /** After a rebalance: another member may have been there meanwhile. */
  forget(): void;
}

const createPlaces = ({ topicIdOf }: MemberDeps, topic: string): Places => {
  let topicId: string | null = null;
  const nexts = new Map<number, number>();
  return {
    async topicIdAt(partition, offset) {
      if (offset < (nexts.get(partition) ?? 0)) topicId = null;
      topicId ??= await topicIdOf(topic);
      if (topicId === null) throw new AttuneError('source.no-topic', `the topic ${topic} is gone`, { retriable: true });
      return topicId;
    },
    moved: (partition, next) => void nexts.set(partition, next),
    forget() {
      topicId = null;
      nexts.clear();
    },
  };
};

interface BatchDeps extends MemberDeps {
  readonly consumer: Consumer;
  readonly places: Places;
  readonly stopping: AbortSignal;
}

const takeBatch = async (deps: BatchDeps, options: ConsumeSourceOptions, payload: EachBatchPayload): Promise<void> => {
  const { batch } = payload;
  const { topic, partition } = batch;
  const { maxRecords = MAX_RECORDS } = options;
  for (let from = 0; from < batch.messages.length; from += maxRecords) {
    if (deps.stopping.aborted || !payload.isRunning() || payload.isStale()) return;
    const records = batch.messages.slice(from, from + maxRecords).map((message) => recordOf(topic, partition, message));
    const next = records.at(-1)!.offset + 1;
    const lag = Math.max(0, Number(batch.highWatermark) - next);
    await withHeartbeats(deps, payload, () =>
      untilTaken(deps, options, payload, async () => {
        const topicId = await deps.places.topicIdAt(partition, records[0]!.offset);
        await options.onBatch({ topic, topicId, partition, records, lag });
      }),
    );
    deps.places.moved(partition, next);
    payload.resolveOffset(String(next - 1));
    await deps.consumer.commitOffsets([{ topic, partition, offset: String(next) }]);
  }
};

/** Later records of the partition wait, and the member stays in its group; a rebalance ends the trying. */
const untilTaken = async (
  deps: BatchDeps,
  options: ConsumeSourceOptions,
  payload: EachBatchPayload,
  take: () => Promise<void>,
): Promise<void> => {
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
    try {
      return await take();
    } catch (error) {
      options.onError(error);
      if (deps.stopping.aborted || !payload.isRunning()) throw error;
    }
    await sleep(backoffMs, deps.stopping);
    await payload.heartbeat();
  }
};

/** What a heartbeat is refused for is met again by the commit. */
const withHeartbeats = async ({ heartbeatMs }: BatchDeps, payload: EachBatchPayload, work: () => Promise<void>): Promise<void> => {
  const timer = setInterval(() => void payload.heartbeat().catch(() => undefined), heartbeatMs);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
};

const recordOf = (topic: string, partition: number, { offset, timestamp, key, value, headers }: KafkaMessage): SourceRecord => ({
  topic,
  partition,
  offset: Number(offset),
  timestampMs: Number(timestamp),
  key,
  value,
  headers: headers === undefined ? {} : textsOf(headers),
});

const textsOf = (headers: IHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const last = Array.isArray(value) ? value.at(-1) : value;
      return [name, last === undefined ? '' : last.toString()];
    }),
  );
