/** Whether a learner has read what the log held when it started: until then another's model, or the last one's, knows more than its own. */
import type { EventLog } from '#event-log';
import { TOPICS_LEARNED, offsetKey } from './restore-learners.ts';
import type { Offsets } from './restore-learners.ts';

export interface CatchingUp {
  /** Once true it stays true; also when nothing has moved for half a minute, since a model that lacks something is better than none. */
  isDone(offsets: Offsets, nowMs: number): boolean;
}

const STANDS_STILL_MS = 30_000;

export const watchCatchingUp = async (log: EventLog, nowMs: number): Promise<CatchingUp> => {
  const ends: (readonly [string, number])[] = [];
  for (const topic of TOPICS_LEARNED)
    for (let partition = 0; partition < log.partitions; partition++) {
      const { first, next } = await log.offsets(topic, partition);
      if (next > first) ends.push([offsetKey({ topic, partition }), next]);
    }
  let done = false;
  let sum = -1;
  let movedMs = nowMs;
  return {
    isDone(offsets, nowMs) {
      if (done) return true;
      const now = Object.values(offsets).reduce((total, offset) => total + offset, 0);
      if (now !== sum) [sum, movedMs] = [now, nowMs];
      done = ends.every(([key, end]) => (offsets[key] ?? 0) >= end) || nowMs - movedMs >= STANDS_STILL_MS;
      return done;
    },
  };
};
