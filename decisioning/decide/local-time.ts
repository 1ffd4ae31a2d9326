/** What `now` is where the customer is; offsets come from the runtime's time zone data and are kept per quarter of an hour. */

export interface LocalTime {
  /** 0 to 23.99, with the minutes as fraction. */
  readonly time: number;
  readonly scope: {
    readonly hour: number;
    readonly weekday: number;
    readonly day: number;
    readonly month: number;
    readonly epochMs: number;
  };
}

const QUARTER_MS = 15 * 60_000;
const MAX_ZONES = 1_000;
interface Zone {
  readonly format: Intl.DateTimeFormat;
  quarter: number;
  offsetMs: number;
}
const zones = new Map<string, Zone | null>();

/** @param zone an IANA name; what is not one falls back */
export const localTime = (nowMs: number, zone: unknown, fallback: string): LocalTime => {
  const offset = (typeof zone === 'string' ? offsetOf(zone, nowMs) : null) ?? offsetOf(fallback, nowMs) ?? 0;
  const date = new Date(nowMs + offset);
  const hour = date.getUTCHours();
  return {
    time: hour + date.getUTCMinutes() / 60,
    scope: {
      hour,
      weekday: date.getUTCDay() === 0 ? 7 : date.getUTCDay(),
      day: date.getUTCDate(),
      month: date.getUTCMonth() + 1,
      epochMs: nowMs,
    },
  };
};

/** What the zone's clocks are ahead of UTC at that moment, ms; null: there is no such zone. */
export const offsetOf = (name: string, nowMs: number): number | null => {
  if (name === 'UTC') return 0;
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = openZone(name);
    if (zones.size < MAX_ZONES) zones.set(name, zone);
  }
  if (zone === null) return null;
  const quarter = Math.floor(nowMs / QUARTER_MS);
  if (zone.quarter !== quarter) {
    zone.quarter = quarter;
    zone.offsetMs = computeOffset(zone.format, quarter * QUARTER_MS);
  }
  return zone.offsetMs;
};

const openZone = (timeZone: string): Zone | null => {
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    return { format, quarter: -1, offsetMs: 0 };
  } catch {
    return null;
  }
};

const computeOffset = (format: Intl.DateTimeFormat, atMs: number): number => {
  const parts: Record<string, number> = {};
  for (const part of format.formatToParts(atMs)) parts[part.type] = Number(part.value);
  return Date.UTC(parts['year']!, parts['month']! - 1, parts['day'], parts['hour'], parts['minute'], parts['second']) - atMs;
};
