import { expect, test } from 'vitest';
import { UNKNOWN_CUSTOMER, type CustomerKey } from '#contracts';
import { genericEncoder } from '../encoder/compile-encoder.ts';
import type { LoggedDecision } from '../logged/logged-decision.ts';
import { createTrainingSet, effectiveRows, type Objective } from './training-set.ts';

const decision = (n: number, probability: number, y: number | null, more: Partial<LoggedDecision> = {}): LoggedDecision => ({
  decisionId: `d-${n}`,
  loop: 'prices',
  request: {
    view: UNKNOWN_CUSTOMER,
    context: { page: `p${n % 3}` },
    channel: 'web',
    direction: 'inbound',
    placement: null,
    nowMs: n,
  },
  candidates: ['a', 'b', 'c'].map((id) => ({ id, features: {} })),
  propensities: [0.25, 0.5, 0.125],
  priorities: [0.25, 0.5, 0.125],
  gammas: [5, 5, 5],
  probabilities: [probability, 1 - probability, 0],
  noneProbability: null,
  group: 'model',
  modelVersion: 'm',
  decidedAtMs: n,
  customerKey: '' as CustomerKey,
  chosen: [{ rank: 1, index: 0, probability, value: 1 }],
  rewards: [{ target: y, reward: y ?? 0, outcome: 'none', matured: true }],
  asServed: true,
  ...more,
});
const setOf = (objective: Objective, decisions: readonly LoggedDecision[], maxRows = 1_000) => {
  const builder = createTrainingSet({ encoder: genericEncoder(), objective, clip: 4, maxRows });
  builder.add(decisions);
  return builder.build();
};

test('importance weights are 1/p up to the clip, of mean 1', () => {
  const { weight, target } = setOf('importance', [decision(0, 0.5, 1), decision(1, 0.01, 0)]);
  expect([...weight].map((w) => w / weight[0]!)).toEqual([1, 2]);
  expect(weight[0]! + weight[1]!).toBeCloseTo(2, 6);
  expect([...target]).toEqual([1, 0]);
  expect(effectiveRows(weight, [0, 1])).toBeCloseTo(9 / 5, 6);
});

test('a doubly robust target corrects the served prediction by what was seen, and another candidate stands for the rest', () => {
  const { target, outcome, action, actions, rows } = setOf('doublyRobust', [decision(0, 0.5, 1)]);
  expect(rows).toBe(2);
  expect(target[0]).toBe(0.25 + 2 * (1 - 0.25));
  expect(outcome[0]).toBe(1);
  expect(Number.isNaN(outcome[1]!)).toBe(true);
  expect(target[1]).toBe({ b: 0.5, c: 0.125 }[actions[action[1]!]!.id]);
});

test('what was never shown, is not final, or was not logged whole teaches nothing; the newest rows stay', () => {
  const notFinal = decision(2, 0.5, 1, { rewards: [{ target: 1, reward: 1, outcome: 'accepted', matured: false }] });
  const set = setOf('observed', [
    decision(0, 0.5, null),
    decision(1, 0.5, 1, { asServed: false }),
    notFinal,
    decision(3, 0.5, 1, { rewards: [null] }),
  ]);
  expect([set.rows, set.notAsServed]).toEqual([0, 1]);
  const newest = setOf(
    'observed',
    Array.from({ length: 30 }, (_, n) => decision(n, 0.5, n % 2)),
    10,
  );
  expect([newest.rows, newest.decidedAtMs[0], newest.x.length]).toEqual([10, 20, 10 * newest.xDims]);
});
