/** Follows topics of a log that may not be there yet: first what was last seen of them here, then the log. */
import type { Topic } from '#contracts';
import type { EventLog, Follower, LogRecord } from '../port.ts';
import type { LateLog } from './late-log.ts';
import type { TopicMemory } from './topic-memory.ts';

export interface FollowLateDeps {
  readonly late: LateLog;
  readonly memory: TopicMemory;
  /** Hears every record, whoever follows. */
  readonly onHeard: (record: LogRecord) => void;
}

export const followLate = (
  { late, memory, onHeard }: FollowLateDeps,
  topics: readonly Topic[],
  onRecord: (record: LogRecord) => void,
): Follower => {
  const heard = (record: LogRecord): void => {
    memory.note(record);
    onHeard(record);
    onRecord(record);
  };
  const followed = (log: EventLog): Follower => {
    const follower = log.follow(topics, heard);
    follower.caughtUp.then(
      () => memory.confirm(),
      () => undefined,
    );
    return follower;
  };
  if (late.log !== null) return followed(late.log);
  for (const record of memory.of(topics)) onRecord(record);
  const cancel = new AbortController();
  const follower = late.arrived(cancel.signal).then((log) => (log === null ? null : followed(log)));
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
