/** Parses a client's RFC 3339 time into milliseconds; refuses what cannot be and what lies in the future. */
import { DAY_MS } from '#contracts';
import { fieldFault } from '../errors/problem.ts';

/** Clocks of clients may be wrong by a time zone, not by more: a time far ahead would outweigh all that comes after. */
const MOST_AHEAD_MS = DAY_MS;

/** @param text absent means now */
export const parseTime = (text: string | undefined, field: string, nowMs: number): number => {
  if (text === undefined) return nowMs;
  const timeMs = Date.parse(text);
  if (!Number.isFinite(timeMs) || timeMs < 0)
    throw fieldFault(field, 'must be an RFC 3339 date and time after 1970, such as 2026-11-23T10:00:00Z');
  if (timeMs > nowMs + MOST_AHEAD_MS) throw fieldFault(field, 'lies more than a day in the future');
  return timeMs;
};
