/** Follows whole topics from their beginning, in one process, without a group. */
import type { Topic } from '#contracts';
import type { Follower, LogRecord } from '../port.ts';
import { Bell } from './bell.ts';
import type { Cluster } from './cluster.ts';
import { UnreadableBatch } from './decode-fetch.ts';
import { Fetcher } from './fetcher.ts';
import { InQueue, takeMerged } from './in-queue.ts';
import { withPatience } from './patience.ts';
import type { Reader } from './reader.ts';

export interface KafkaFollowerDeps {
  readonly openCluster: () => Cluster;
  readonly reader: Reader;
  readonly topicPrefix: string;
  readonly partitionsOf: (topic: Topic) => number;
}

const RECORDS_A_TURN = 500;
const IDLE_MS = 60_000;

/**
 * An error thrown by `onRecord` rejects `caughtUp`, and after that crashes the process: a follower must not skip records. What cannot be
 * read rejects `caughtUp` too.
 */
export function followTopics(deps: KafkaFollowerDeps, topics: readonly Topic[], onRecord: (record: LogRecord) => void): Follower {
  const cancel = new AbortController();
  const caughtUp = Promise.withResolvers<void>();
  caughtUp.promise.catch(() => undefined);
  let isCaughtUp = false;
  const bell = new Bell();
  const onError = (error: unknown): void => {
    if (error instanceof UnreadableBatch) caughtUp.reject(error);
  };
  const fetcher = new Fetcher({ cluster: deps.openCluster(), reader: deps.reader, onError });
  const done = run().catch((error: unknown) => {
    if (!isCaughtUp) return caughtUp.reject(error);
    process.nextTick(() => {
      throw error;
    });
  });

  async function run(): Promise<void> {
    const queues: InQueue[] = [];
    for (const topic of topics)
      for (let partition = 0; partition < deps.partitionsOf(topic); partition += 1) {
        const kafkaTopic = `${deps.topicPrefix}${topic}`;
        queues.push(new InQueue({ topic, kafkaTopic, partition, position: 0, onArrival: bell.ring }));
      }
    // What the topics hold at this moment is what caughtUp speaks of.
    const targets = await Promise.all(
      queues.map(({ topic, partition }) => withPatience(Infinity, () => deps.reader.offsets(topic, partition), cancel.signal)),
    ).catch((error: unknown) => {
      if (cancel.signal.aborted) return null;
      throw error;
    });
    if (targets === null) return;
    for (const queue of queues) fetcher.add(queue);
    while (!cancel.signal.aborted) {
      const records = takeMerged(queues, RECORDS_A_TURN);
      for (const record of records) {
        if (cancel.signal.aborted) return;
        onRecord(record);
      }
      for (const queue of queues) fetcher.wake(queue);
      if (!isCaughtUp && queues.every((queue, index) => queue.takenUpTo >= targets[index]!.next)) {
        isCaughtUp = true;
        caughtUp.resolve();
      }
      if (records.length > 0) await new Promise((resolve) => setImmediate(resolve));
      else await bell.wait(IDLE_MS, cancel.signal);
    }
  }

  return {
    caughtUp: caughtUp.promise,
    stop: async () => {
      cancel.abort();
      await Promise.all([done, fetcher.stop()]);
    },
  };
}
