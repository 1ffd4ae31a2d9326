/** From logged decisions to a report: which decisions count, what is outside support, and what the estimates are. */
import { expect, test } from 'vitest';
import type { CustomerKey, ScoringRequest } from '#contracts';
import type { LoggedDecision } from '../logged/logged-decision.ts';
import { createUniformState, nextUniform, seedUniform } from '../exploration/uniform-stream.ts';
import { collectRounds, constantPolicy, evaluatePolicy, loggedPolicy, type Policy } from './index.ts';

const profile = (id: string) => ({ id, features: {} });
const WORTH = { plan: 0.1, phone: 0.3, notice: 0.05 } as const;

const decision = (n: number, change: Partial<LoggedDecision> = {}, uniform = (): number => 0.5): LoggedDecision => {
  const probabilities = [0.5, 0.3, 0];
  const drawn = uniform();
  const index = drawn < 0.5 ? 0 : drawn < 0.8 ? 1 : 2;
  const id = (['plan', 'phone', undefined] as const)[index];
  const reward = id !== undefined && uniform() < WORTH[id] ? 1 : 0;
  return {
    decisionId: `d-${n}`,
    loop: '',
    request: {} as ScoringRequest,
    candidates: [profile('plan'), profile('phone'), profile('notice')],
    propensities: [0.1, 0.3, 0.05],
    priorities: [0.1, 0.3, 0.05],
    gammas: [5, 5, 5],
    probabilities,
    noneProbability: 0.2,
    group: 'model',
    modelVersion: 'm',
    decidedAtMs: 1_000 + n,
    customerKey: `c-${n % 700}` as CustomerKey,
    chosen: id === undefined ? [] : [{ rank: 1, index, probability: probabilities[index]!, value: 1 }],
    rewards: id === undefined ? [] : [{ target: reward, reward, outcome: 'none', matured: true }],
    asServed: true,
    ...change,
  };
};

const decisions = (count: number, seed = 1): LoggedDecision[] => {
  const state = createUniformState();
  seedUniform(state, seed);
  return Array.from({ length: count }, (_, n) => decision(n, {}, () => nextUniform(state)));
};
// oxlint-disable-next-line require-await -- a reader of the warehouse is asynchronous
async function* read(...batches: readonly (readonly LoggedDecision[])[]): AsyncGenerator<readonly LoggedDecision[]> {
  yield* batches;
}
const features = {
  count: 2,
  write: ({ priorities }: LoggedDecision, place: number, out: Float64Array, at: number) => out.set([1, priorities[place]!], at),
};

test('a constant action is worth what it brings, and the difference to the log is known better than both', async () => {
  const rounds = await collectRounds(read(decisions(3_000), decisions(3_000, 2)), {
    policies: [loggedPolicy, constantPolicy('phone')],
    features,
  });
  const found = evaluatePolicy(rounds, { reward: { low: 0, high: 1 }, largestWeight: 5 });
  expect(found).toMatchObject({ decisions: 6_000, customers: 700, certain: 0 });
  expect(found.logged).toBeCloseTo(0.5 * 0.1 + 0.3 * 0.3, 1);
  for (const [name, { value, low, high }] of Object.entries(found.estimates)) {
    expect(Math.abs(value - 0.3), name).toBeLessThan(0.04);
    if (name === 'dm' || name === 'dros') expect([low, high]).toEqual([null, null]);
    else expect(low! < 0.3 && 0.3 < high!, name).toBe(true);
  }
  const { dr } = found.differences;
  expect(dr.low! < 0.16 && 0.16 < dr.high!).toBe(true);
  expect(found.intervals.map(({ method, of }) => `${method} ${of}`)).toEqual([
    'bootstrap dr',
    'bootstrap dr difference',
    'empirical Bernstein ips',
    'confidence sequence ips',
    'confidence sequence ips difference',
  ]);
  for (const { of, low, high } of found.intervals) {
    const truth = of.endsWith('difference') ? 0.16 : 0.3;
    expect(low! < truth && truth < high!, of).toBe(true);
  }
  expect(found.support.outside).toBe(0);
});

test('the logged policy differs from itself by nothing, and is worth what was seen', async () => {
  const rounds = await collectRounds(read(decisions(500)), { policies: [loggedPolicy, loggedPolicy], features });
  const found = evaluatePolicy(rounds);
  expect(found.estimates.ips.value).toBeCloseTo(found.logged, 9);
  for (const { value, low, high } of [found.differences.dr, found.differences.ips, found.differences.snips])
    expect([value, low!, high!].every((x) => Math.abs(x) < 1e-9)).toBe(true);
});

test('what could never have been logged is told, and valued as the log did instead', async () => {
  // A tenth of the time the action that is never explored.
  const tenth: Policy = (_, out) => {
    out[1] = 0.9;
    out[2] = 0.1;
    return true;
  };
  const rounds = await collectRounds(read(decisions(4_000)), { policies: [loggedPolicy, tenth], features });
  expect(rounds.outside[0]).toBe(0);
  expect(rounds.outside[1]).toBeCloseTo(0.1, 9);
  const { estimates, support } = evaluatePolicy(rounds);
  expect(support.outside).toBeCloseTo(0.1, 9);
  expect(Math.abs(estimates.dr.value - (0.9 * 0.3 + 0.1 * 0.14))).toBeLessThan(0.04);
  const never = await collectRounds(read(decisions(50)), { policies: [loggedPolicy, constantPolicy('notice')], features });
  expect(() => evaluatePolicy(never)).toThrow('outside support');
});

test('decisions that say nothing are left out, each for its reason', async () => {
  const reward = { target: 0, reward: 0, outcome: 'none', matured: false };
  const odd = [
    decision(1, { group: 'untouched' }),
    decision(2, { chosen: [{ rank: 1, index: -1, probability: 1, value: 0 }] }),
    decision(3, { rewards: [reward] }),
    decision(4, { rewards: [null] }),
    decision(5, { candidates: [profile('other')], probabilities: [0.8], chosen: [], rewards: [] }),
  ];
  const rounds = await collectRounds(read(odd, decisions(30)), { policies: [loggedPolicy, constantPolicy('phone')], most: 20 });
  expect(rounds.leftOut).toEqual({ untouched: 1, mandatory: 1, unmatured: 2, notApplicable: 1, older: 10 });
  expect(rounds.log.action).toHaveLength(20);
  await expect(collectRounds(read(odd), { policies: [constantPolicy('phone')] })).rejects.toThrow(
    'no decision can be evaluated: left out were 2 whose reward is not final yet, 1 where the policy’s action was no candidate, 1 with a mandatory notice in slot 1, 1 of the group untouched',
  );
  await expect(collectRounds(read(), { policies: [loggedPolicy] })).rejects.toThrow('the log holds none in this time');
});

test('doing nothing is worth 0, and a certain choice is counted as one that says nothing of others', async () => {
  const certain = decision(1, {
    probabilities: [0, 0, 1],
    noneProbability: 0,
    chosen: [{ rank: 1, index: 2, probability: 1, value: 1 }],
    rewards: [{ target: 1, reward: 7, outcome: 'accepted', matured: true }],
  });
  const nothing = decision(2, { chosen: [], rewards: [] });
  const rounds = await collectRounds(read([certain, nothing]), { policies: [loggedPolicy, constantPolicy('phone')] });
  expect([...rounds.log.reward]).toEqual([7, 0]);
  expect([...rounds.log.action]).toEqual([2, 3]);
  expect(rounds.certain).toBe(1);
  expect(rounds.outside[1]).toBe(0.5);
});
