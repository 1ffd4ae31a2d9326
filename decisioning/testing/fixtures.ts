/** Customers and scorers for the tests and the benchmark of deciding: plain data, seeded. */
import { NO_PAIR, hashUnit } from '#contracts';
import type { AttributeValue, Contact, CustomerKey, CustomerView, Decision, DecisionId, PairCounters, Scorer } from '#contracts';
import type { DecideInput, Verdict } from '../types.ts';
import type { Catalog } from '../catalog/types.ts';
import { buildReceipt } from '../receipts/build-receipt.ts';
import type { ReceiptFacts } from '../receipts/build-receipt.ts';

export const NOW = Date.UTC(2026, 10, 23, 11, 0);

export const FEATURE_NAMES: readonly string[] = [
  'dataMb30d',
  'overage90d',
  'calls30d',
  'billingCalls30d',
  'technicalCalls30d',
  'unresolved30d',
  'outages30d',
  'daysSinceOutage',
  'cancelViews30d',
  'latePayments180d',
  'failedPayments30d',
  'complaints180d',
  'networkDrops7d',
  'roamingDays30d',
  'billAmountLast',
];

const ORDINARY: Readonly<Record<string, AttributeValue>> = {
  plan: 'standard',
  tenureMonths: 24,
  segment: 'consumer',
  ageBand: '36-50',
  region: 'north',
  contractMonthsLeft: 8,
  deviceTier: 'mid',
  deviceAgeMonths: 20,
  preferredChannel: 'app',
  monthlyCharge: 29,
  consentMarketing: true,
  consentSms: true,
  consentEmail: true,
  doNotContact: false,
  creditClass: 'B',
  hasFiber: false,
  hasTv: false,
  householdLines: 2,
  openTicket: false,
  openComplaint: false,
  outageNow: false,
  paymentOverdue: false,
  timeZone: 'Europe/Berlin',
};

export interface ViewOptions {
  readonly key?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly features?: Readonly<Record<string, number>>;
  readonly contacts?: readonly Contact[];
  readonly pairs?: Readonly<Record<string, Partial<PairCounters>>>;
  readonly pending?: readonly string[];
}

/** An ordinary customer, but for what is said. */
export const createView = (options: ViewOptions = {}): CustomerView => {
  const features = Float32Array.from(
    FEATURE_NAMES,
    (name) => options.features?.[name] ?? (name === 'daysSinceOutage' ? 400 : name === 'dataMb30d' ? 8_000 : 0),
  );
  const pairs = new Map(Object.entries(options.pairs ?? {}).map(([id, pair]) => [id, { ...NO_PAIR, ...pair }]));
  return {
    customerKey: (options.key ?? '0123456789abcdef0123456789abcdef') as CustomerKey,
    known: true,
    attributes: { ...ORDINARY, ...options.attributes },
    features,
    featureNames: FEATURE_NAMES,
    featureSet: '0000000000000000',
    contacts: options.contacts ?? [],
    pair: (actionId) => pairs.get(actionId) ?? NO_PAIR,
    pendingActionIds: options.pending ?? [],
  };
};

/** Propensities between 1 and 16 %, by hash of action and seed. */
export const createTestScorer = (seed = 0, effectiveN = 500, standardError: number | null = null): Scorer => ({
  loop: '',
  version: 'test',
  snapshot: 7,
  effectiveN,
  score(_, actions, out) {
    for (let i = 0; i < actions.length; i++) {
      out.propensities[i] = 0.01 + 0.15 * hashUnit(actions[i]!.id, seed);
      out.effectiveN[i] = effectiveN;
      if (standardError !== null && out.standardErrors !== undefined) out.standardErrors[i] = standardError;
    }
    out.hasStandardErrors = standardError !== null;
  },
});

export const createInput = (catalog: Catalog, options: Partial<DecideInput> = {}): DecideInput => ({
  catalog,
  view: createView(),
  scorer: createTestScorer(),
  controls: null,
  channel: 'app',
  direction: 'inbound',
  placement: null,
  limit: 1,
  context: {},
  nowMs: NOW,
  seed: 42,
  group: 'model',
  ...options,
});

/** What serving would write. */
export const createReceipt = (input: DecideInput, verdict: Verdict, facts: Partial<ReceiptFacts> = {}): Decision =>
  buildReceipt(input, verdict, {
    id: '00000000-0000-0000-0000-000000000000' as DecisionId,
    subject: { kind: 'customer', id: 'c-1', keyBytes: Buffer.from(input.view.customerKey, 'hex'), anonymous: false },
    requestId: null,
    loop: '',
    controlsVersion: 0,
    degraded: verdict.degraded,
    state: null,
    cause: '',
    rootId: null,
    latencyUs: 100,
    ...facts,
  });
