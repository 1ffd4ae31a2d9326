/** Follows whole topics from their beginning, in one process, without a group. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Topic } from '#contracts';
import type { Follower, LogRecord } from '../port.ts';
import type { Arrivals } from './arrivals.ts';
import { createCursor, takeMerged } from './merge.ts';
import type { Reader } from './reader.ts';

export interface LmdbFollowerDeps {
  readonly reader: Reader;
  readonly arrivals: Arrivals;
  readonly partitions: number;
}

const RECORDS_A_TURN = 500;

/** An error thrown by `onRecord` rejects `caughtUp`, and after that crashes the process: a follower must not skip records. */
export function followTopics(deps: LmdbFollowerDeps, topics: readonly Topic[], onRecord: (record: LogRecord) => void): Follower {
  const cancel = new AbortController();
  const caughtUp = Promise.withResolvers<void>();
  caughtUp.promise.catch(() => undefined);
  let isCaughtUp = false;
  const done = run().catch((error: unknown) => {
    if (!isCaughtUp) return caughtUp.reject(error);
    process.nextTick(() => {
      throw error;
    });
  });

  async function run(): Promise<void> {
    const cursors = topics.flatMap((topic) => Array.from({ length: deps.partitions }, (_, partition) => createCursor(topic, partition, 0)));
    while (!cancel.signal.aborted) {
      const records = takeMerged(deps.reader, cursors, RECORDS_A_TURN);
      for (const record of records) {
        if (cancel.signal.aborted) return;
        onRecord(record);
      }
      if (records.length > 0) {
        await nextTurn();
        continue;
      }
      isCaughtUp = true;
      caughtUp.resolve();
      await deps.arrivals.wait(cursors, cancel.signal);
    }
  }

  return {
    caughtUp: caughtUp.promise,
    stop: async () => {
      cancel.abort();
      await done;
    },
  };
}
