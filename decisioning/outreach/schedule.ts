/** When a segment is due: at a time of day, on some days of the week or month, by the clocks of a time zone. */
import { DAY_MS, MINUTE_MS } from '#contracts';
import { offsetOf } from '../decide/local-time.ts';

export interface Schedule {
  /** Minutes after midnight. */
  readonly minute: number;
  /** 1 is Monday, 7 Sunday; empty: no day of the week by its name. */
  readonly weekdays: readonly number[];
  /** 1 to 31; with both empty every day. */
  readonly monthDays: readonly number[];
  /** IANA name. */
  readonly timeZone: string;
}

/** Between two 31sts, or 30ths around a February, and a day for the zone. */
const MOST_DAYS = 63;

/** The last time at or before `nowMs`, ms since 1970 UTC. */
export const lastDue = (schedule: Schedule, nowMs: number): number => {
  const today = localDay(schedule, nowMs);
  for (let day = today + 1; ; day--) {
    const atMs = isOn(schedule, day) ? momentOf(schedule, day) : Infinity;
    if (atMs <= nowMs) return atMs;
    refuseEndless(today - day);
  }
};

/** The first time after `nowMs`. */
export const nextDue = (schedule: Schedule, nowMs: number): number => {
  const today = localDay(schedule, nowMs);
  for (let day = today - 1; ; day++) {
    const atMs = isOn(schedule, day) ? momentOf(schedule, day) : -Infinity;
    if (atMs > nowMs) return atMs;
    refuseEndless(day - today);
  }
};

const refuseEndless = (days: number): void => {
  if (days > MOST_DAYS) throw new RangeError('a schedule without days');
};

/** Whole days since 1970, on the clock of the zone. */
const localDay = ({ timeZone }: Schedule, atMs: number): number => Math.floor((atMs + (offsetOf(timeZone, atMs) ?? 0)) / DAY_MS);

const isOn = ({ weekdays, monthDays }: Schedule, day: number): boolean => {
  if (weekdays.length + monthDays.length === 0) return true;
  const date = new Date(day * DAY_MS);
  return monthDays.includes(date.getUTCDate()) || weekdays.includes(date.getUTCDay() === 0 ? 7 : date.getUTCDay());
};

/** A time that the clocks skip is as long after midnight as on another day, one that they show twice comes once. */
const momentOf = ({ minute, timeZone }: Schedule, day: number): number => {
  const local = day * DAY_MS + minute * MINUTE_MS;
  const offset = (atMs: number): number => offsetOf(timeZone, atMs) ?? 0;
  const first = local - offset(local);
  const second = local - offset(first);
  return second + offset(second) === local ? second : Math.max(first, second);
};
