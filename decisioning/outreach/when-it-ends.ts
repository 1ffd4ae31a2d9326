/** When what withholds an action ends: the exact moment from which its rule does not withhold it any more, if nothing else happens. */
import { DAY_MS, MAX_CONTACTS, MINUTE_MS } from '#contracts';
import type { CatalogAction, Rule } from '../catalog/types.ts';
import { contactTimes, isQuiet, lastCause } from '../decide/moment.ts';
import type { Moment } from '../decide/moment.ts';
import { localTime } from '../decide/local-time.ts';

/** ms since 1970 UTC; Infinity: it does not end by itself. */
export const endOf = (moment: Moment, withholding: Rule, action: CatalogAction): number => {
  const { rule, deferMs } = withholding;
  const { nowMs, view } = moment.input;
  switch (rule.kind) {
    case 'require':
    case 'pending':
      return deferMs === null ? Infinity : nowMs + deferMs;
    case 'quietHours':
      return endOfQuiet(rule, nowMs, view.attributes['timeZone'], moment.plan.catalog.timeZone);
    case 'limit':
      return endOfLimit(rule, contactTimes(moment, withholding, rule, action));
    case 'coolDown':
      return lastCause(moment, rule, action) + rule.windowMs;
  }
};

/** The one that has to leave the window. @param times newest first */
const endOfLimit = ({ max, windowMs }: { readonly max: number; readonly windowMs: number }, times: readonly number[]): number => {
  const blocking = times[max - 1];
  return blocking === undefined ? Infinity : blocking + windowMs;
};

/**
 * The state may have forgotten contacts that still lie in the window: then nobody can say that the limit is kept.
 * @returns when the oldest that is known leaves the window; 0: nothing that counts was forgotten
 */
export const endOfForgotten = (moment: Moment, windowMs: number): number => {
  const { contacts } = moment.input.view;
  if (contacts.length < MAX_CONTACTS || contacts.some(({ direction }) => direction === 'inbound')) return 0;
  return contacts.at(-1)!.atMs + windowMs;
};

const QUARTER_MS = 15 * MINUTE_MS;

/** Where clocks change meanwhile the way is walked quarter by quarter: clocks change at such. */
export const endOfQuiet = (
  quiet: { readonly from: number; readonly to: number },
  nowMs: number,
  zone: unknown,
  fallback: string,
): number => {
  const quietAt = (atMs: number): boolean => isQuiet(quiet, localTime(atMs, zone, fallback).time);
  const minute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  if (!quietAt(minute)) return nowMs;
  const offsetAt = (atMs: number): number => {
    const { time } = localTime(atMs, zone, fallback);
    return (((Math.round(time * 60) - Math.floor(atMs / MINUTE_MS)) % 1_440) + 1_440) % 1_440;
  };
  const { time } = localTime(minute, zone, fallback);
  const minutes = (((Math.ceil(quiet.to * 60 - 1e-6) - Math.round(time * 60)) % 1_440) + 1_440) % 1_440;
  const guess = minute + minutes * MINUTE_MS;
  if (offsetAt(guess) === offsetAt(minute) && !quietAt(guess) && quietAt(guess - MINUTE_MS)) return guess;
  const last = minute + DAY_MS + 4 * QUARTER_MS;
  for (let at = Math.floor(minute / QUARTER_MS) * QUARTER_MS + QUARTER_MS; at <= last; at += QUARTER_MS) {
    if (quietAt(at) && quietAt(at - MINUTE_MS)) continue;
    for (let end = Math.max(at - QUARTER_MS, minute); end <= at; end += MINUTE_MS) if (!quietAt(end)) return end;
  }
  return Infinity;
};
