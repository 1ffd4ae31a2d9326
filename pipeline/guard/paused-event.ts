/** The event that tells other systems of a pause. Its id is of the pause: told twice it counts once. */
import { ACTION_PAUSED_EVENT, ATTUNE_SOURCE, NOBODYS_KEY, TOPICS, eventCodec, shardOf } from '#contracts';
import type { ActionPaused } from '#contracts';
import type { AppendRecord } from '#event-log';

export const pausedEvent = (data: ActionPaused, pausedAtMs: number, nowMs: number): AppendRecord => ({
  topic: TOPICS.events,
  shard: shardOf(data.actionId),
  value: eventCodec.encode({
    id: `paused-${data.actionId}-${pausedAtMs}`,
    source: ATTUNE_SOURCE,
    type: ACTION_PAUSED_EVENT,
    subjectKind: 'action',
    subjectId: data.actionId,
    customerKey: NOBODYS_KEY,
    time: pausedAtMs,
    receivedAt: nowMs,
    data: JSON.stringify(data),
  }),
});
