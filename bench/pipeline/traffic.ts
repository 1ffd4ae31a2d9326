/** The customers and events of the pipeline benchmarks: the same in every run. */
import { DAY_MS, createCustomerKey, createDecisionId, decisionIdToBytes } from '#contracts';
import type { CustomerKey } from '#contracts';
import { addContact, addPending, countPair, emptyState, encodeLink, encodeState, foldEvent, rememberId } from '#feature-store';
import type { FeatureSet } from '#feature-store';

export const NOW = Date.UTC(2026, 10, 23);
const CHANNELS = ['app', 'web', 'callCenter', 'sms', 'email'] as const;
export const keyOf = createCustomerKey('bench');

/** A mulberry32 stream: the same traffic in every run. */
export const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

export const eventOf = (draw: () => number): { type: string; data: Record<string, unknown> } => {
  const kind = draw();
  const amount = Math.round(draw() * 8000) / 100;
  if (kind < 0.35)
    return {
      type: 'usage.recorded',
      data: { dataMb: Math.round(draw() * 900), voiceMin: Math.round(draw() * 40), roaming: draw() < 0.05 },
    };
  if (kind < 0.65)
    return { type: 'page.viewed', data: { page: ['home', 'bill', 'plans', 'support', 'cancel'][Math.floor(draw() * 5)], product: null } };
  if (kind < 0.75) return { type: 'network.quality', data: { score: Math.round(draw() * 100) / 10, drops: Math.floor(draw() * 4) } };
  if (kind < 0.83)
    return {
      type: 'interaction.ended',
      data: {
        channel: 'callCenter',
        type: 'call',
        reason: ['billing', 'technical', 'sales'][Math.floor(draw() * 3)],
        durationS: Math.round(draw() * 900),
        resolved: draw() < 0.7,
      },
    };
  if (kind < 0.89) return { type: 'bill.issued', data: { amount, overage: draw() < 0.2 ? 5 : 0, dueInDays: 14 } };
  if (kind < 0.95) return { type: 'payment.received', data: { amount } };
  return {
    type: 'customer.updated',
    data: {
      plan: ['basic', 'standard', 'premium'][Math.floor(draw() * 3)],
      tenureMonths: Math.floor(draw() * 120),
      monthlyCharge: amount,
      region: 'north',
    },
  };
};

/** As DESIGN.md counts, if not told otherwise: 20 contacts, 5 open decisions, a full set of pairs, attributes, features and recent ids. */
export const customerBytes = (
  number: number,
  key: CustomerKey,
  featureSet: FeatureSet,
  actionIds: readonly string[],
  epoch: number,
  shard: number,
  { contacts, pending } = { contacts: 20, pending: 5 },
) => {
  const draw = random(number + 1);
  const state = emptyState(featureSet);
  state.epoch = epoch;
  for (let i = 0; i < 30; i++) {
    const event = eventOf(draw);
    const atMs = NOW - Math.floor(draw() * 60 * DAY_MS);
    foldEvent(state, { type: event.type, time: atMs, receivedAt: atMs }, event.data);
  }
  const all = { type: 'customer.updated', time: NOW - 90 * DAY_MS, receivedAt: NOW };
  foldEvent(state, all, {
    plan: 'basic',
    tenureMonths: 30,
    segment: 'consumer',
    ageBand: '26-35',
    region: 'north',
    contractMonthsLeft: 7,
    deviceTier: 'mid',
    deviceAgeMonths: 14,
    preferredChannel: 'app',
    language: 'en',
    monthlyCharge: 39.9,
    consentMarketing: true,
    consentSms: true,
    consentEmail: false,
    creditClass: 'B',
    hasFiber: false,
    hasTv: true,
    householdLines: 2,
    timeZone: 'Europe/Berlin',
  });
  const ids: Buffer[] = [];
  for (let i = 0; i < contacts; i++) {
    const atMs = NOW - Math.floor(draw() * 40 * DAY_MS);
    const actionId = actionIds[Math.floor(draw() * actionIds.length)]!;
    addContact(state, { atMs, channel: CHANNELS[i % 5]!, direction: i % 5 > 2 ? 'outbound' : 'inbound', actionId });
    countPair(state, actionId, { shown: 1, accepted: i % 9 === 0 ? 1 : 0, rejected: i % 4 === 0 ? 1 : 0, atMs });
  }
  for (let i = 0; i < pending; i++) {
    const decidedAtMs = NOW - (5 - i) * 3 * 3_600_000;
    const decisionId = createDecisionId({ atMs: decidedAtMs, shard, entropy: [number, i] });
    ids.push(decisionIdToBytes(decisionId));
    const item = {
      rank: 1,
      actionId: actionIds[(number + i) % actionIds.length]!,
      value: 35,
      revision: 1,
      shown: true,
      target: 0,
      reward: 0,
      outcome: 'impression',
      outcomeAtMs: decidedAtMs + 4_000,
      amount: null,
    };
    addPending(state, {
      decisionId,
      decidedAtMs,
      channel: CHANNELS[i]!,
      direction: 'inbound',
      loop: '',
      matureAtMs: decidedAtMs + 3 * DAY_MS,
      items: [item],
    });
    rememberId(state, `decision:${decisionId}`, decidedAtMs);
    rememberId(state, `outcome:${decisionId}/x`, decidedAtMs);
  }
  state.nextTimerMs = pending === 0 ? null : Math.min(...state.pending.map(({ matureAtMs }) => matureAtMs));
  return { value: encodeState(state, NOW), timerMs: state.nextTimerMs, links: ids.map((id) => ({ key: id, value: encodeLink(key) })) };
};
