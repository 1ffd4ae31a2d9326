/** What is wrong with an event that comes from outside, whichever door it takes: the API or one of the operator's topics. */
import { DAY_MS, INGEST_SOURCE } from '#contracts';
import type { EventTypes } from './event-types.ts';

export interface EventFault {
  /** The event's attribute, or `data.` and the field. */
  readonly field: string;
  /** Goes on from the field: "must be …". */
  readonly message: string;
}

/** Senders' clocks may be wrong by a time zone, not by more: a time far ahead would outweigh all that comes after. */
const MOST_AHEAD_MS = DAY_MS;

/** events.yaml's own word on type and data. Null: nothing is wrong. */
export const faultOfEvent = (event: { readonly type: string; readonly data: unknown }, types: EventTypes): EventFault | null => {
  if (event.type.startsWith('attune.')) return { field: 'type', message: 'must not begin with "attune.": those are Attune\'s own' };
  const type = types.get(event.type);
  if (type === null) return { field: 'type', message: `"${event.type.slice(0, 100)}" is not an event type of events.yaml` };
  const message = type.validate(event.data);
  if (message === null) return null;
  const [, field = 'data', rest = message] = /^(data[^ ]*) (.*)$/s.exec(message) ?? [];
  return { field, message: rest };
};

/** What ingest counts by its place must come from ingest. */
export const faultOfSource = (source: string): EventFault | null =>
  source.startsWith(INGEST_SOURCE)
    ? { field: 'source', message: `must not begin with "${INGEST_SOURCE}": those are events that Attune made of your own topics` }
    : null;

/** A time that cannot be, or that lies in the future; in words that follow the field. */
export const faultOfTime = (timeMs: number, nowMs: number): string | null => {
  if (!Number.isFinite(timeMs) || timeMs < 0) return 'must be an RFC 3339 date and time after 1970, such as 2026-11-23T10:00:00Z';
  return timeMs > nowMs + MOST_AHEAD_MS ? 'lies more than a day in the future' : null;
};
