/** A due timer as a record of the log, so that a rebuild sees the same time-outs at the same place. */
import { TOPICS, customerKeyFromBytes, eventCodec } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { DueTimer } from '#feature-store';

export const TIMER_EVENT = 'attune.timer';
export const ATTUNE_SOURCE = 'attune';

/** @param shard any shard of the timer's partition */
export const timerEvent = ({ key, dueMs }: DueTimer, shard: number, nowMs: number): AppendRecord => ({
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
    data: '{}',
  }),
});
