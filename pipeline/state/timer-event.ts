/** A due timer as a record of the log, so that a rebuild sees the same time-outs at the same place. */
import { ATTUNE_SOURCE, SHARDS, TOPICS, customerKeyFromBytes, eventCodec } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { DueTimer } from '#feature-store';

export const TIMER_EVENT = 'attune.timer';

export const timerEvent = ({ key, shard, dueMs }: DueTimer, nowMs: number): AppendRecord => ({
  topic: TOPICS.events,
  shard,
  value: eventCodec.encode({
    id: `timer-${customerKeyFromBytes(key)}-${dueMs}`,
    source: ATTUNE_SOURCE,
    type: TIMER_EVENT,
    subjectKind: 'customer',
    subjectId: null,
    customerKey: key,
    time: dueMs,
    receivedAt: nowMs,
    data: JSON.stringify({ shard }),
  }),
});

/** Null: the event is older than stores that need it, or not ours. */
export const shardOfTimer = (data: string): number | null => {
  const { shard } = JSON.parse(data) as { shard?: unknown };
  return typeof shard === 'number' && Number.isInteger(shard) && shard >= 0 && shard < SHARDS ? shard : null;
};
