/** Customers as tests and benchmarks need them: a seeded life under the telco features, with 20 contacts and 5 pending decisions. */
import { createDecisionId, DAY_MS, HOUR_MS, MINUTE_MS, shardOf, type EventRecord } from '#contracts';
import type { FeatureSet } from '../definitions/feature-set.ts';
import { addContact, addPending, countPair, emptyState, type CustomerState } from './customer-state.ts';
import { foldEvent } from './fold-event.ts';
import { rememberId } from './identity-ring.ts';

export type Random = () => number;

/** mulberry32: uniform in [0, 1), the same on every machine. */
export const createRandom = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

export interface SampleEvent {
  readonly event: Pick<EventRecord, 'type' | 'time' | 'receivedAt'>;
  readonly data: Readonly<Record<string, unknown>>;
}

const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
const whole = (random: Random, below: number): number => Math.floor(random() * below);
const money = (random: Random, below: number): number => Math.round(random() * below * 100) / 100;

const PROFILE = (random: Random): Record<string, unknown> => ({
  plan: pick(random, ['prepaid', 'basic', 'standard', 'premium', 'unlimited']),
  tenureMonths: whole(random, 180),
  segment: pick(random, ['consumer', 'business']),
  ageBand: pick(random, ['18-25', '26-35', '36-50', '51-65', '66+']),
  region: pick(random, ['north', 'south-east', 'brandenburg', 'saxony']),
  contractMonthsLeft: whole(random, 24),
  deviceTier: pick(random, ['low', 'mid', 'high']),
  deviceAgeMonths: whole(random, 48),
  preferredChannel: pick(random, ['app', 'web', 'callCenter', 'sms', 'email']),
  language: pick(random, ['en', 'de', 'es']),
  monthlyCharge: 10 + money(random, 80),
  consentMarketing: random() < 0.7,
  consentSms: random() < 0.7,
  consentEmail: random() < 0.7,
  doNotContact: false,
  timeZone: 'Europe/Berlin',
  creditClass: pick(random, ['A', 'B', 'C']),
  hasFiber: random() < 0.4,
  hasTv: random() < 0.3,
  householdLines: 1 + whole(random, 4),
  openTicket: false,
  openComplaint: false,
  outageNow: false,
  paymentOverdue: false,
  name: `Customer ${whole(random, 1e6)} Lastname`,
  email: `customer.${whole(random, 1e6)}@example.org`,
  phone: `+4917${whole(random, 1e8)}`,
});

const HAPPENINGS: readonly ((random: Random) => readonly [string, Record<string, unknown>])[] = [
  (r) => ['usage.recorded', { dataMb: whole(r, 5000), voiceMin: whole(r, 60), roaming: false }],
  (r) => ['usage.recorded', { dataMb: whole(r, 5000), voiceMin: whole(r, 60), roaming: false }],
  (r) => ['page.viewed', { page: pick(r, ['home', 'plans', 'devices', 'bill', 'support', 'cancel']) }],
  (r) => ['page.viewed', { page: pick(r, ['home', 'plans', 'devices', 'bill', 'support', 'cancel']) }],
  (r) => ['bill.issued', { amount: 20 + money(r, 60), overage: money(r, 9) }],
  (r) => ['payment.received', { amount: 20 + money(r, 60) }],
  (r) => [
    'interaction.ended',
    { channel: 'callCenter', reason: pick(r, ['billing', 'technical', 'sales']), durationS: whole(r, 900), resolved: r() < 0.7 },
  ],
  (r) => ['network.quality', { score: 2 + money(r, 3), drops: whole(r, 4) }],
  (r) =>
    pick(r, [
      ['ticket.opened', { ticketId: 't' }],
      ['ticket.closed', { ticketId: 't' }],
      ['complaint.opened', {}],
      ['complaint.closed', {}],
    ] as const),
  (r) =>
    pick(r, [
      ['payment.late', { amount: 30 }],
      ['payment.failed', { amount: 30 }],
      ['network.outage.started', {}],
      ['network.outage.ended', {}],
    ] as const),
  (r) =>
    pick(r, [
      ['roaming.started', { country: 'IT' }],
      ['order.completed', { offerId: 'x', amount: 12 }],
      ['device.changed', { tier: 'mid' }],
    ] as const),
];

/** In time order; the first says who the customer is. */
export const sampleEvents = (
  random: Random,
  options: { readonly count: number; readonly fromMs: number; readonly toMs: number },
): SampleEvent[] => {
  const { count, fromMs, toMs } = options;
  const times = Array.from({ length: count - 1 }, () => fromMs + whole(random, toMs - fromMs)).toSorted((a, b) => a - b);
  const later = times.map((time) => {
    const [type, data] = pick(random, HAPPENINGS)(random);
    return { event: { type, time, receivedAt: time + 50 }, data };
  });
  return [{ event: { type: 'customer.updated', time: fromMs, receivedAt: fromMs + 50 }, data: PROFILE(random) }, ...later];
};

/** Half a year of events (120 by default, 12 of them today), 20 contacts in 60 days, 5 pending decisions of one or two actions. */
export const sampleState = (set: FeatureSet, seed: number, nowMs: number, events = 120): CustomerState => {
  const random = createRandom(seed);
  const state = emptyState(set);
  state.epoch = 1_700_000_000;
  state.positions = [1e6 + whole(random, 1e6), 1e5 + whole(random, 1e6), 1e5 + whole(random, 1e6), -1];
  const past = sampleEvents(random, { count: events - 12, fromMs: nowMs - 180 * DAY_MS, toMs: nowMs - DAY_MS });
  const today = sampleEvents(random, { count: 13, fromMs: nowMs - DAY_MS, toMs: nowMs }).slice(1);
  for (const { event, data } of [...past, ...today]) foldEvent(state, event, data);
  today.forEach(({ event }, i) => rememberId(state, `event:crm:${seed}-${i}`, event.receivedAt));
  const { actionIds } = set.definitions;
  const channels = ['app', 'web', 'callCenter', 'sms', 'email'] as const;
  for (let i = 0; i < 20; i++) {
    const actionId = actionIds.length > 0 ? pick(random, actionIds) : `offer-${whole(random, 40)}`;
    const channel = pick(random, channels);
    const atMs = nowMs - whole(random, 60 * DAY_MS);
    addContact(state, { atMs, channel, actionId, direction: channel === 'sms' || channel === 'email' ? 'outbound' : 'inbound' });
    countPair(state, actionId, { shown: 1, accepted: random() < 0.1 ? 1 : 0, rejected: random() < 0.1 ? 1 : 0, atMs });
  }
  const shard = shardOf(`c-${seed}`);
  for (let i = 0; i < 5; i++) {
    const atMs = nowMs - whole(random, 3 * DAY_MS);
    const decisionId = createDecisionId({ atMs, shard, entropy: [whole(random, 2 ** 32), whole(random, 2 ** 32)] });
    const items = Array.from({ length: random() < 0.7 ? 1 : 2 }, (_, k) => ({
      rank: k + 1,
      actionId: actionIds.length > 0 ? pick(random, actionIds) : `offer-${whole(random, 40)}`,
      value: 5 + whole(random, 100),
      revision: 1,
      shown: true,
      target: 0,
      reward: random() < 0.3 ? money(random, 5) : 0,
      outcome: random() < 0.5 ? 'impression' : 'clicked',
      outcomeAtMs: atMs + whole(random, HOUR_MS),
      amount: null,
    }));
    addPending(state, {
      decisionId,
      decidedAtMs: atMs,
      channel: pick(random, channels),
      direction: 'inbound',
      loop: '',
      matureAtMs: atMs + 72 * HOUR_MS,
      items,
    });
  }
  state.nextTimerMs = nowMs + 30 * MINUTE_MS;
  return state;
};
