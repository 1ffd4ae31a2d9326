/** A simulated customer: what the operator knows (attributes) and what nobody does (hidden needs). */
import { createRandom, normal, pick, pickWeighted } from './random.ts';
import type { Random } from './random.ts';
import type { Needs, Parameters } from './parameters.ts';

export interface Attributes {
  plan: string;
  tenureMonths: number;
  segment: string;
  ageBand: string;
  region: string;
  contractMonthsLeft: number;
  deviceTier: string;
  deviceAgeMonths: number;
  preferredChannel: string;
  language: string;
  monthlyCharge: number;
  consentMarketing: boolean;
  consentSms: boolean;
  consentEmail: boolean;
  doNotContact: boolean;
  timeZone: string;
  creditClass: string;
  hasFiber: boolean;
  hasTv: boolean;
  householdLines: number;
  name: string;
  email: string;
  phone: string;
}

export interface Customer {
  readonly index: number;
  readonly id: string;
  readonly attributes: Attributes;
  readonly hidden: Needs;
}

const PLANS = ['prepaid', 'basic', 'standard', 'premium', 'unlimited'];
const CHARGES: Readonly<Record<string, number>> = { prepaid: 12, basic: 20, standard: 35, premium: 55, unlimited: 75 };
const AGES = ['18-25', '26-35', '36-50', '51-65', '66+'];
export const REGIONS = Array.from({ length: 20 }, (_, i) => `r${String(i + 1).padStart(2, '0')}`);
const NAMES = [
  'Ana',
  'Ben',
  'Chen',
  'Dora',
  'Emil',
  'Fatou',
  'Grace',
  'Hugo',
  'Ines',
  'Jonas',
  'Kira',
  'Luis',
  'Mona',
  'Nils',
  'Olga',
  'Pia',
];

/** The same seed and index always give the same person. */
export const createCustomer = (seed: number, index: number, parameters: Parameters): Customer => {
  const random = createRandom(`${seed}/customer/${index}`);
  const plan = pickWeighted(random, PLANS, [2, 3, 4, 2, 2]);
  const contractMonthsLeft = plan === 'prepaid' ? 0 : Math.floor(random() * 24);
  const name = pick(random, NAMES);
  return {
    index,
    id: `c-${1_000 + index}`,
    hidden: parameters.needs.map(() => normal(random) * parameters.response.hiddenSd),
    attributes: {
      plan,
      tenureMonths: 1 + Math.floor(-40 * Math.log(1 - random())),
      segment: random() < 0.15 ? 'business' : 'consumer',
      ageBand: pickWeighted(random, AGES, [2, 3, 4, 3, 2]),
      region: pick(random, REGIONS),
      contractMonthsLeft,
      deviceTier: pickWeighted(random, ['low', 'mid', 'high'], [3, 4, 3]),
      deviceAgeMonths: Math.floor(random() * 42),
      preferredChannel: pickWeighted(random, ['app', 'web', 'callCenter', 'sms', 'email'], [5, 3, 2, 1, 1]),
      language: pickWeighted(random, ['en', 'es', 'de'], [6, 3, 1]),
      monthlyCharge: Math.round(CHARGES[plan]! * (0.85 + 0.3 * random()) * 100) / 100,
      consentMarketing: random() < 0.85,
      consentSms: random() < 0.7,
      consentEmail: random() < 0.75,
      doNotContact: random() < 0.02,
      timeZone: 'Europe/Berlin',
      creditClass: pickWeighted(random, ['A', 'B', 'C'], [6, 3, 1]),
      hasFiber: random() < 0.4,
      hasTv: random() < 0.3,
      householdLines: 1 + Math.floor(random() ** 2 * 5),
      name,
      email: `${name.toLowerCase()}.${index}@example.net`,
      // Of the block that Germany keeps for films and examples.
      phone: `+4917139200${String(index % 100).padStart(2, '0')}`,
    },
  };
};

/** What the attributes and the situation say of the needs, plus what nobody sees. */
export const needsOf = (
  customer: Customer,
  context: Readonly<Record<string, unknown>>,
  parameters: Parameters,
  into: Float64Array,
): Float64Array => {
  into.set(customer.hidden);
  const { attributes } = customer;
  const { attributes: effects } = parameters;
  addTo(into, effects['plan']?.[attributes.plan]);
  addTo(into, effects['ageBand']?.[attributes.ageBand]);
  addTo(into, effects['deviceTier']?.[attributes.deviceTier]);
  addTo(into, effects['segment']?.[attributes.segment]);
  addTo(into, effects['hasFiber']?.[String(attributes.hasFiber)]);
  addTo(into, effects['contract']?.[attributes.contractMonthsLeft <= 3 ? 'ending' : 'running']);
  for (const [field, effect] of Object.entries(parameters.context)) addTo(into, effect[String(context[field])]);
  return into;
};

const addTo = (into: Float64Array, effect: Needs | undefined): void => {
  if (effect === undefined) return;
  for (let i = 0; i < effect.length; i++) into[i]! += effect[i]!;
};

/** Chooses a customer index. */
export const anyCustomer = (random: Random, customers: number): number => Math.floor(random() * customers);
