/** Follows topics of a log that may not be there yet. */
import type { Topic } from '#contracts';
import type { Follower, LogRecord } from '../port.ts';
import type { LateLog } from './late-log.ts';

export const followLate = (late: LateLog, topics: readonly Topic[], onRecord: (record: LogRecord) => void): Follower => {
  if (late.log !== null) return late.log.follow(topics, onRecord);
  const cancel = new AbortController();
  const follower = late.arrived(cancel.signal).then((log) => log?.follow(topics, onRecord) ?? null);
  const caughtUp = follower.then((each) => each?.caughtUp);
  caughtUp.catch(() => undefined);
  return {
    caughtUp,
    async stop() {
      cancel.abort();
      await (await follower)?.stop();
    },
  };
};
