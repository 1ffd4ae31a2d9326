import { expect, test } from 'vitest';
import { NO_PAIR, UNKNOWN_CUSTOMER, type CustomerKey } from '#contracts';
import type { LoggedDecision } from './logged-decision.ts';
import { dsjsonLine } from './vw-dsjson.ts';

const decision: LoggedDecision = {
  decisionId: '01900000-0000-7000-8000-000000000001',
  loop: '',
  request: {
    view: {
      ...UNKNOWN_CUSTOMER,
      customerKey: 'f'.repeat(32) as CustomerKey,
      known: true,
      attributes: { plan: 'basic', roaming: true },
      features: Float32Array.of(2, Number.NaN),
      featureNames: ['calls', 'overage'],
      pair: (id) => (id === 'b' ? { ...NO_PAIR, shown: 3, rejected: 1, lastShownMs: Date.UTC(2026, 10, 24, 13) } : NO_PAIR),
    },
    context: { page: 'bill' },
    channel: 'app',
    direction: 'inbound',
    placement: null,
    nowMs: Date.UTC(2026, 10, 25, 13),
  },
  candidates: [
    { id: 'a', features: { topic: 'roaming' } },
    { id: 'b', features: { topic: 'devices', price: 12 } },
  ],
  propensities: [0.5, 0.6],
  priorities: [1, 2],
  gammas: [5, 5],
  probabilities: [0.25, 0.625],
  noneProbability: 0.125,
  group: 'model',
  modelVersion: 'm-1',
  decidedAtMs: Date.UTC(2026, 10, 25, 13),
  customerKey: 'f'.repeat(32) as CustomerKey,
  chosen: [{ rank: 1, index: 1, probability: 0.625, value: 40 }],
  rewards: [{ target: 1, reward: 40, outcome: 'accepted', matured: true }],
  asServed: true,
};
const lineOf = (given: Partial<LoggedDecision>, label: 'reward' | 'target' = 'reward'): Record<string, unknown> => {
  const result = dsjsonLine({ ...decision, ...given }, label);
  if ('leftOut' in result) throw new Error(result.leftOut);
  return JSON.parse(result.line) as Record<string, unknown>;
};

test('cost, logging probability, the chosen first, all actions with theirs, and nothing that names the customer', () => {
  expect(lineOf({})).toEqual({
    _label_cost: -40,
    _label_probability: 0.625,
    _label_Action: 2,
    _labelIndex: 1,
    Timestamp: '2026-11-25T13:00:00.000Z',
    Version: '1',
    EventId: decision.decisionId,
    a: [2, 1, 3],
    c: {
      Customer: { plan: 'basic', roaming: true },
      Features: { calls: 2 },
      Request: { page: 'bill', channel: 'app', direction: 'inbound' },
      When: { hour: 'h13', weekday: 'wed' },
      _multi: [
        { Action: { id: 'a', topic: 'roaming' } },
        { Action: { id: 'b', topic: 'devices', price: 12 }, Pair: { shown: 3, accepted: 0, rejected: 1, daysSinceShown: 1 } },
        { Action: { id: 'none' } },
      ],
    },
    p: [0.625, 0.25, 0.125],
    VWState: { m: 'm-1' },
  });
  expect(JSON.stringify(lineOf({}))).not.toContain(decision.customerKey);
});

test('the cost may be of the target', () => {
  expect(lineOf({}, 'target')['_label_cost']).toBe(-1);
});

test('doing nothing is an action, and costs nothing', () => {
  const line = lineOf({ chosen: [], rewards: [] });
  expect(line).toMatchObject({
    _label_cost: 0,
    _label_probability: 0.125,
    _label_Action: 3,
    _labelIndex: 2,
    a: [3, 1, 2],
    p: [0.125, 0.25, 0.625],
  });
});

test.each([
  ['untouched', { group: 'untouched' }],
  ['nothing to choose', { chosen: [{ rank: 1, index: -1, probability: 1, value: 0 }] }],
  ['nothing to choose', { candidates: [], probabilities: [] }],
  ['no label', { rewards: [{ target: 1, reward: 40, outcome: 'accepted', matured: false }] }],
  ['no label', { rewards: [null] }],
] as const)('%s is left out', (leftOut, given) => {
  expect(dsjsonLine({ ...decision, ...given }, 'reward')).toEqual({ leftOut });
});

test('what was never shown has no target', () => {
  const rewards = [{ target: null, reward: 0, outcome: 'none', matured: true }];
  expect(dsjsonLine({ ...decision, rewards }, 'target')).toEqual({ leftOut: 'no label' });
  expect(lineOf({ rewards })['_label_cost']).toBe(0);
});
