/** The telco catalog with a contact policy whose windows are short, so that what a storm of requests is deferred by ends while it rages. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { localHour } from './limits-oracle.ts';
import type { QuietHours, StormRules } from './limits-oracle.ts';

const TELCO = new URL('../../../catalog/telco', import.meta.url).pathname;
/** Begins a run whenever it is ordered to. */
export const STORM_SEGMENT = 'everybody';
export const STORM_SECRET_ENV = 'STORM_SECRET';
/** The zone of each kind of customer. `day` is never quiet, `night` always, at `dusk` it becomes so. */
export const ZONES = { day: 'UTC', night: 'Europe/Berlin', dusk: 'America/New_York' } as const;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** A state keeps minutes, and rounds up: each window is up to a minute longer than it says here. */
const LIMITS: StormRules['limits'] = [
  { per: 'channel', max: 2, windowMs: 3_000 },
  { per: 'topic', max: 3, windowMs: 6_000 },
  { per: 'action', max: 2, windowMs: 9_000 },
];
const CAPS: StormRules['caps'] = [
  { channel: 'sms', action: null, max: 20 },
  { channel: null, action: 'storm-b', max: 8 },
];
const TOPICS_OF: StormRules['topicOf'] = new Map([
  ['storm-a', 'storm-x'],
  ['storm-b', 'storm-x'],
  ['storm-c', 'storm-y'],
]);

/** @returns what holds there, for whoever judges */
export const writeStormCatalog = (dir: string, receiverUrl: string, nowMs: number): StormRules => {
  cpSync(TELCO, dir, { recursive: true });
  const edit = (name: string, from: string, to: string): void => {
    const text = readFileSync(join(dir, name), 'utf8');
    if (!text.includes(from)) throw new Error(`${name} has no '${from}' to add to`);
    writeFileSync(join(dir, name), text.replace(from, to));
  };
  edit('project.yaml', 'groups:\n', 'groups:\n  storm: {}\n');
  edit('project.yaml', 'topics: [', 'topics: [storm-x, storm-y, ');
  const quiet = quietHoursAt(nowMs);
  const write = (name: string, content: object): void => writeFileSync(join(dir, name), JSON.stringify(content));
  write('actions/storm.yaml', { actions: [...TOPICS_OF].map(([id, topic], i) => actionOf(id, topic, 10 + i)) });
  write('policies.yaml', { shares: { random: 0, untouched: 0 }, contactPolicy: policyOf(quiet) });
  write('channels.yaml', channelsOf(receiverUrl));
  write('triggers.yaml', {
    triggers: [
      { id: 'now', description: 'At once.', event: 'promotion.announced', scope: { topics: ['storm-x'] }, expire: '10s' },
      { id: 'soon', description: 'Late.', event: 'payment.failed', scope: { topics: ['storm-y'] }, delay: '1s', expire: '10s' },
      { id: 'calm', description: 'Settled.', event: 'queue.joined', scope: { groups: ['storm'] }, debounce: '1s', expire: '10s' },
    ],
  });
  const segment = { id: STORM_SEGMENT, description: 'All of them.', when: 'customer.region == "storm"', scope: { groups: ['storm'] } };
  write('segments.yaml', { segments: [{ ...segment, perSecond: 50, expire: '10s' }] });
  return { limits: LIMITS, caps: CAPS, topicOf: TOPICS_OF, quiet };
};

const actionOf = (id: string, topic: string, value: number): object => ({
  id,
  name: id,
  group: 'storm',
  topic,
  value,
  treatments: [{ channel: ['sms', 'email'], direction: 'outbound', content: { subject: id, body: 'To {{customer.phone}}' } }],
});

const policyOf = (quiet: readonly QuietHours[]): object[] => [
  ...quiet.map(({ from, to }, i) => ({ id: `quiet-${i}`, reason: 'It is night.', quietHours: { from, to }, ...OUTBOUND })),
  ...LIMITS.map(({ per, max, windowMs }) => ({
    id: `per-${per}`,
    reason: 'Enough.',
    limit: { max, days: windowMs / DAY_MS, per },
    ...OUTBOUND,
  })),
];
const OUTBOUND = { appliesTo: { directions: ['outbound'] } };

const channelsOf = (url: string): object => {
  const common = { expireAfter: '15s', connections: 2 };
  return {
    fallback: ['sms', 'email'],
    callbacks: { allowPrivate: true },
    requests: { action: 'storm-c', purposes: { other: 'storm-a' } },
    channels: {
      sms: { adapter: 'webhook', address: 'phone', ...common, settings: { url, secretEnv: STORM_SECRET_ENV } },
      email: { adapter: 'file', address: 'email', ...common, settings: { path: 'sent/email.jsonl' } },
    },
    caps: CAPS.map(({ channel, action, max }) => ({
      ...(channel === null ? {} : { channel }),
      ...(action === null ? {} : { action }),
      max,
      per: 'hour',
    })),
  };
};

/** Around now in the zone of the night; from the next full minute but one where it is dusk. Nowhere else for hours. */
const quietHoursAt = (nowMs: number): QuietHours[] => {
  const night = localHour(ZONES.night, nowMs);
  const dusk = localHour(ZONES.dusk, Math.ceil(nowMs / MINUTE_MS + 0.5) * MINUTE_MS);
  return [
    { from: ofDay(night - 0.5), to: ofDay(night + 2) },
    { from: dusk, to: ofDay(Math.floor(dusk) + 3) },
  ];
};

const ofDay = (hour: number): number => (hour + 24) % 24;
