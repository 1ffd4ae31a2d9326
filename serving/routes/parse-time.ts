/** Parses a client's RFC 3339 time into milliseconds; refuses what cannot be and what lies in the future. */
import { faultOfTime } from '#project';
import { fieldFault } from '../errors/problem.ts';

/** @param text absent means now */
export const parseTime = (text: string | undefined, field: string, nowMs: number): number => {
  if (text === undefined) return nowMs;
  const timeMs = Date.parse(text);
  const fault = faultOfTime(timeMs, nowMs);
  if (fault !== null) throw fieldFault(field, fault);
  return timeMs;
};
