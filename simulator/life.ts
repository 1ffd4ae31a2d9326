/** What happens to customers whatever we decide: usage, bills, payments, calls, outages, page views; one seeded stream in time order. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#contracts';
import { anyCustomer, needsOf, REGIONS } from './customer.ts';
import type { Customer } from './customer.ts';
import type { Parameters } from './parameters.ts';
import { exponential, normal, pick, pickWeighted } from './random.ts';
import type { Random } from './random.ts';
import { createSchedule } from './schedule.ts';

/** A CloudEvent before it is dressed: who, what, when. */
export interface LifeEvent {
  readonly id: string;
  readonly type: string;
  readonly customerId: string;
  readonly timeMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface LifeOptions {
  readonly customers: readonly Customer[];
  readonly parameters: Parameters;
  readonly random: Random;
  readonly startMs: number;
  /** Events a customer a day, follow-ups not counted. */
  readonly perCustomerDay: number;
}

type Planned = { readonly customer: Customer; readonly type: string; readonly data: Readonly<Record<string, unknown>> };

/** Each kind with its share among what happens by itself. */
const KINDS = {
  usage: 40,
  page: 28,
  bill: 4,
  call: 7,
  network: 8,
  ticket: 1.5,
  roaming: 1.5,
  complaint: 0.6,
  order: 1,
  contract: 1.4,
  device: 0.6,
  outage: 0.03,
} as const;
const KIND_NAMES = Object.keys(KINDS) as (keyof typeof KINDS)[];
const KIND_WEIGHTS = Object.values(KINDS);
/** So much at once is most of what a plan has. */
const MUCH_MB = 1_500;
/** The page where each need shows, in the order of the needs. */
const PAGES = ['plans', 'devices', 'home', 'bill', 'support', 'travel'];

export interface Life {
  /** Everything up to `toMs` that was not told yet, in time order. */
  until(toMs: number): Generator<LifeEvent>;
}

export const createLife = (options: LifeOptions): Life => {
  const { customers, parameters, random } = options;
  const planned = createSchedule<Planned>();
  const rate = (customers.length * options.perCustomerDay) / DAY_MS;
  const needs = new Float64Array(parameters.needs.length);
  let nextMs = options.startMs + exponential(random, rate);
  let told = 0;

  const plan = (atMs: number, customer: Customer, type: string, data: Readonly<Record<string, unknown>>): void =>
    planned.add(atMs, { customer, type, data });
  const between = (low: number, high: number): number => low + (high - low) * random();
  const money = (value: number): number => Math.round(Math.max(0, value) * 100) / 100;

  const happen = (customer: Customer, nowMs: number): void => {
    const { attributes } = customer;
    switch (pickWeighted(random, KIND_NAMES, KIND_WEIGHTS)) {
      case 'usage': {
        const dataMb = Math.round(Math.exp(5.5 + normal(random)) * (attributes.plan === 'unlimited' ? 3 : 1));
        plan(nowMs, customer, 'usage.recorded', { dataMb, voiceMin: Math.round(between(0, 40)), roaming: random() < 0.03 });
        if (dataMb >= MUCH_MB && attributes.plan !== 'unlimited') plan(nowMs, customer, 'usage.threshold', { percent: 80 });
        return;
      }
      case 'page': {
        needsOf(customer, {}, parameters, needs);
        const page = pickWeighted(
          random,
          PAGES,
          Array.from(needs, (need) => Math.exp(1.5 * need)),
        );
        return plan(nowMs, customer, 'page.viewed', { page, product: page });
      }
      case 'bill': {
        const overage = random() < 0.25 ? money(Math.exp(2 + normal(random) * 0.7)) : 0;
        const amount = money(attributes.monthlyCharge + overage);
        plan(nowMs, customer, 'bill.issued', { amount, overage, dueInDays: 14 });
        const dueMs = nowMs + 14 * DAY_MS;
        const fate = random();
        if (fate < 0.9) return plan(nowMs + between(1, 14) * DAY_MS, customer, 'payment.received', { amount });
        if (fate < 0.95) plan(dueMs, customer, 'payment.failed', { amount });
        const daysLate = Math.ceil(between(2, 20));
        plan(dueMs + 2 * DAY_MS, customer, 'payment.late', { amount, daysLate });
        return plan(dueMs + daysLate * DAY_MS, customer, 'payment.received', { amount });
      }
      case 'call':
        return plan(nowMs, customer, 'interaction.ended', {
          channel: 'callCenter',
          type: 'call',
          reason: pickWeighted(random, ['billing', 'technical', 'sales', 'cancel', 'roaming'], [4, 4, 1, 1, 1]),
          durationS: Math.round(between(40, 900)),
          resolved: random() < 0.75,
        });
      case 'network':
        return plan(nowMs, customer, 'network.quality', { score: Math.round(between(2, 5) * 10) / 10, drops: Math.floor(between(0, 4)) });
      case 'ticket': {
        const ticketId = `t-${told}-${customer.index}`;
        plan(nowMs, customer, 'ticket.opened', {
          ticketId,
          topic: pick(random, ['network', 'billing', 'device']),
          severity: pick(random, ['low', 'medium', 'high']),
        });
        return plan(nowMs + between(2, 72) * HOUR_MS, customer, 'ticket.closed', { ticketId });
      }
      case 'roaming':
        return plan(nowMs, customer, 'roaming.started', { country: pick(random, ['FR', 'IT', 'US', 'TR', 'TH']) });
      case 'complaint':
        plan(nowMs, customer, 'complaint.opened', { topic: pick(random, ['network', 'billing', 'service']) });
        return plan(nowMs + between(12, 120) * HOUR_MS, customer, 'complaint.closed', {});
      case 'order':
        return plan(nowMs, customer, 'order.completed', {
          offerId: pick(random, ['case', 'charger', 'cable']),
          amount: money(between(5, 60)),
        });
      case 'contract': {
        if (attributes.contractMonthsLeft === 0) return;
        return plan(nowMs, customer, 'contract.expiring', { daysLeft: attributes.contractMonthsLeft * 30 });
      }
      case 'device': {
        const tier = pick(random, ['low', 'mid', 'high']);
        attributes.deviceTier = tier;
        attributes.deviceAgeMonths = 0;
        return plan(nowMs, customer, 'device.changed', { model: `${tier}-${Math.floor(between(10, 99))}`, tier });
      }
      case 'outage': {
        const region = pick(random, REGIONS);
        const endMs = nowMs + between(20, 240) * MINUTE_MS;
        for (const neighbour of customers) {
          if (neighbour.attributes.region !== region) continue;
          plan(nowMs, neighbour, 'network.outage.started', { region, service: 'mobile' });
          plan(endMs, neighbour, 'network.outage.ended', { region });
        }
      }
    }
  };

  return {
    *until(toMs) {
      for (;;) {
        const due = planned.take(Math.min(nextMs, toMs));
        if (due !== null) {
          const { customer, type, data } = due.item;
          yield { id: `life-${told++}`, type, customerId: customer.id, timeMs: Math.round(due.atMs), data };
        } else if (nextMs <= toMs) {
          happen(customers[anyCustomer(random, customers.length)]!, nextMs);
          nextMs += exponential(random, rate);
        } else {
          return;
        }
      }
    },
  };
};
