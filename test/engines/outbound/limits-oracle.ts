/**
 * Judges what reached customers by the catalog's numbers alone, with arithmetic of its own: it asks nothing of the code that let the
 * messages out.
 */
import { communicationCodec } from '#contracts';
import type { LogRecord } from '#event-log';

export interface QuietHours {
  /** Hours of the local day, fractions and all; may pass midnight. */
  readonly from: number;
  readonly to: number;
}

export interface StormRules {
  readonly limits: readonly { readonly per: 'channel' | 'topic' | 'action'; readonly max: number; readonly windowMs: number }[];
  /** Per calendar hour of UTC. */
  readonly caps: readonly { readonly channel: string | null; readonly action: string | null; readonly max: number }[];
  readonly topicOf: ReadonlyMap<string, string>;
  readonly quiet: readonly QuietHours[];
}

/** Of a message that a receiver got. */
export interface Receipt {
  readonly communicationId: string;
  readonly channel: string;
  readonly address: string;
  /** ms since 1970 UTC */
  readonly atMs: number;
}

export interface Message {
  readonly id: string;
  readonly customer: string;
  readonly channel: string;
  readonly action: string;
  readonly cause: string;
  /** When the gate let it out, ms since 1970 UTC; what a killed process said, and the next one said again, has two times. */
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface Told {
  /** By id; those that the gate let out. */
  readonly queued: ReadonlyMap<string, Message>;
  /** What deliver says that it has sent. */
  readonly sent: ReadonlySet<string>;
  /** Sent or given up. */
  readonly settled: ReadonlySet<string>;
  /** Verdicts that let nothing out, by state and reason. */
  readonly withheld: ReadonlyMap<string, number>;
}

/** What the topic of communications tells. */
export const readTold = (records: readonly LogRecord[]): Told => {
  const queued = new Map<string, Message>();
  const sent = new Set<string>();
  const settled = new Set<string>();
  const withheld = new Map<string, number>();
  for (const { value } of records) {
    const { communicationId, customerKey, state, reasonCode, at, actionId: action, channel, cause } = communicationCodec.decode(value);
    const id = communicationId.toString('hex');
    const before = queued.get(id);
    if (state === 'queued') {
      const [firstMs, lastMs] = [Math.min(at, before?.firstMs ?? at), Math.max(at, before?.lastMs ?? at)];
      queued.set(id, { id, customer: customerKey.toString('hex'), channel, action, cause, firstMs, lastMs });
    } else if (state === 'denied' || state === 'deferred' || state === 'heldOut') {
      const what = `${state}:${reasonCode ?? ''}`;
      withheld.set(what, (withheld.get(what) ?? 0) + 1);
    } else settled.add(id);
    if (state === 'sent' || state === 'delivered') sent.add(id);
  }
  return { queued, sent, settled, withheld };
};

/** One sentence for each rule that is broken by what left. */
export const breaches = (rules: StormRules, left: readonly Message[]): string[] => [
  ...rules.limits.flatMap((limit) => breachesOfLimit(rules, limit, left)),
  ...rules.caps.flatMap((cap) => breachesOfCap(cap, left)),
];

const breachesOfLimit = (rules: StormRules, { per, max, windowMs }: StormRules['limits'][number], left: readonly Message[]): string[] => {
  const keyOf = {
    channel: (one: Message) => one.channel,
    topic: (one: Message) => rules.topicOf.get(one.action),
    action: (one: Message) => one.action,
  }[per];
  const breaches: string[] = [];
  for (const [key, messages] of Map.groupBy(left, (one) => `${one.customer} ${keyOf(one)}`)) {
    const inOrder = messages.toSorted((a, b) => a.firstMs - b.firstMs);
    for (let i = max; i < inOrder.length; i++) {
      const [first, last] = [inOrder[i - max]!, inOrder[i]!];
      const apartMs = last.lastMs - first.firstMs;
      if (apartMs < windowMs)
        breaches.push(
          `${max + 1} messages of ${per} ${key} within ${apartMs} ms: ${first.id} (${first.cause}) to ${last.id} (${last.cause})`,
        );
    }
  }
  return breaches;
};

const HOUR_MS = 3_600_000;
const breachesOfCap = ({ channel, action, max }: StormRules['caps'][number], left: readonly Message[]): string[] => {
  const counted = left.filter((one) => (channel ?? one.channel) === one.channel && (action ?? one.action) === one.action);
  return [...Map.groupBy(counted, ({ firstMs }) => Math.floor(firstMs / HOUR_MS))].flatMap(([hour, { length }]) =>
    length > max ? [`${length} messages of ${channel ?? 'any channel'}, ${action ?? 'any action'} in hour ${hour}, and ${max} may be`] : [],
  );
};

/** A message that is on its way when the quiet begins may arrive so much later. */
const ON_ITS_WAY_MS = 2_000;

export const breachesOfQuiet = (rules: StormRules, zoneOf: (address: string) => string, got: readonly Receipt[]): string[] =>
  got.flatMap(({ communicationId, address, atMs }) => {
    const zone = zoneOf(address);
    const isQuiet = rules.quiet.some(
      (quiet) => within(quiet, localHour(zone, atMs)) && within(quiet, localHour(zone, atMs - ON_ITS_WAY_MS)),
    );
    return isQuiet ? [`${communicationId} reached ${address} at ${new Date(atMs).toISOString()}, when it is quiet in ${zone}`] : [];
  });

const within = ({ from, to }: QuietHours, hour: number): boolean => (from <= to ? hour >= from && hour < to : hour >= from || hour < to);

/** Of the day, with its minutes as a fraction. */
export const localHour = (timeZone: string, atMs: number): number => {
  const text = new Date(atMs).toLocaleTimeString('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' });
  const [hour, minute] = text.split(':').map(Number) as [number, number];
  return hour + minute / 60;
};
