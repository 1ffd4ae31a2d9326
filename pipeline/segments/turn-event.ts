/** The event of a customer's turn. Its id is of run and customer: told twice it counts once. */
import { ATTUNE_SOURCE, SEGMENT_TURN_EVENT, TOPICS, eventCodec } from '#contracts';
import type { SegmentTurn } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { Member } from './find-members.ts';

export const turnEvent = ({ key, shard }: Member, run: Omit<SegmentTurn, 'shard'>, nowMs: number): AppendRecord => ({
  topic: TOPICS.events,
  shard,
  value: eventCodec.encode({
    id: `turn-${run.segmentId}-${run.runAtMs}-${key.toString('hex')}`,
    source: ATTUNE_SOURCE,
    type: SEGMENT_TURN_EVENT,
    subjectKind: 'customer',
    subjectId: null,
    customerKey: key,
    time: run.runAtMs,
    receivedAt: nowMs,
    data: JSON.stringify({ segmentId: run.segmentId, runAtMs: run.runAtMs, shard } satisfies SegmentTurn),
  }),
});
