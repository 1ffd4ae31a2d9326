import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DAY_MS, TOPICS, customerKeyToBytes, decisionIdFromBytes, erasureCodec, shardOf } from '#contracts';
import type { Topic } from '#contracts';
import { createLearnRole } from '../learn/learn-role.ts';
import { ledgerLearner } from '../learn/test-ledger.ts';
import type { Ledger } from '../learn/test-ledger.ts';
import { SILENT } from '../role.ts';
import { createStateRole } from '../state/state-role.ts';
import {
  START_MS,
  aDecision,
  anEvent,
  anOutcome,
  customerKey,
  decisionId,
  latestRewards,
  openWorld,
  readTopic,
  until,
} from '../test-world.ts';
import type { World } from '../test-world.ts';
import { recomputeRewards } from './recompute-rewards.ts';
import type { Rewards } from './rewards.ts';

let world: World;
const CUSTOMERS = 60;
const INPUTS: readonly Topic[] = [TOPICS.events, TOPICS.decisions, TOPICS.outcomes, TOPICS.communications];
const actions = ['offer-fiber', 'care-call'];

/** Decisions with every sort of outcome, some of them in events, folded and matured by the state role itself. */
beforeEach(async () => {
  world = await openWorld();
  let nowMs = START_MS;
  const role = createStateRole({
    log: world.log,
    store: world.store,
    project: world.project,
    clock: () => nowMs,
    logger: SILENT,
    timerPollMs: 10,
  });
  await role.start();
  for (let i = 0; i < CUSTOMERS; i++) {
    const action = actions[i % 2]!;
    const customer = `c-${i}`;
    await world.log.append([aDecision(customer, i, action)]);
    const outcomes = [['impression'], ['impression', 'clicked'], ['impression', 'accepted'], ['complaint'], ['undelivered'], []][i % 6]!;
    await world.log.append(
      outcomes.map((outcome, k) => anOutcome(customer, i, action, outcome, { occurredAt: START_MS + 1_000 * (k + 1) })),
    );
    if (i % 10 === 4)
      await world.log.append([anEvent(customer, `e${i}`, 'order.completed', { offerId: action, amount: 12 }, START_MS + 5_000)]);
  }
  await until(async () => (await world.log.lag('state', INPUTS)) === 0);
  nowMs = START_MS + 30 * DAY_MS;
  await until(async () => [...(await latestRewards(world.log)).values()].filter(({ matured }) => matured).length === CUSTOMERS);
  await role.stop();
});
afterEach(() => world.close());

const recompute = (rewards: Rewards, apply = false) =>
  recomputeRewards({ log: world.log, facts: { ...world.project, rewards }, nowMs: START_MS + 31 * DAY_MS, apply });
const logged = async (): Promise<number> => (await readTopic(world.log, TOPICS.rewards)).length;
/** A click is what is wanted now, and a complaint costs 100. */
const changed = (): Rewards => {
  const outcomes = new Map(world.project.rewards.outcomes);
  outcomes.set('clicked', { ...outcomes.get('clicked')!, target: 1, worth: { fixed: 3, fraction: 0, amount: 0 } });
  outcomes.set('complaint', { ...outcomes.get('complaint')!, worth: { fixed: -100, fraction: 0, amount: 0 } });
  return { ...world.project.rewards, outcomes };
};

test('under the same rules every logged reward is found again as it is, and nothing is appended', async () => {
  const before = await logged();
  expect(await recompute(world.project.rewards, true)).toEqual({ judged: CUSTOMERS, changed: 0, outOfReach: 0 });
  expect(await logged()).toBe(before);
});

test('under changed rules just what they concern is revised, once, and a count alone changes nothing', async () => {
  const before = await logged();
  expect(await recompute(changed())).toEqual({ judged: CUSTOMERS, changed: 20, outOfReach: 0 });
  expect(await logged()).toBe(before);
  const old = await latestRewards(world.log);
  await recompute(changed(), true);
  expect(await logged()).toBe(before + 20);
  for (const [slot, reward] of await latestRewards(world.log)) {
    const was = old.get(slot)!;
    if (reward.revision === was.revision) continue;
    expect(reward).toMatchObject({ revision: was.revision + 1, matured: true, kind: 'matured', actionId: was.actionId });
    if (was.outcome === 'clicked') expect([was.target, reward.target, reward.reward]).toEqual([0, 1, 3]);
    else expect([was.outcome, was.reward, reward.reward]).toEqual(['complaint', -25, -100]);
  }
  expect(await recompute(changed(), true)).toMatchObject({ changed: 0 });
});

test('a learner follows: it holds the targets that it would hold had the rules always been these', async () => {
  const ledger: Ledger = { loop: '', snapshot: 0, rows: {} };
  const role = createLearnRole({
    log: world.log,
    store: world.store,
    dir: join(world.dir, 'learn'),
    createLearner: () => ledgerLearner(ledger),
    restoreLearner: () => ledgerLearner(ledger),
    featureSet: () => world.project.featureSet,
    personal: () => world.personal,
    profiles: async () => (id) => ({ id, features: {} }),
    clock: () => Date.now(),
    logger: SILENT,
    ttlDays: 100_000,
  });
  await role.start();
  const caughtUp = (): Promise<void> => until(async () => (await world.log.lag('learn', [TOPICS.decisions, TOPICS.rewards])) === 0);
  try {
    await caughtUp();
    const clicked = `${decisionId('c-1', 1)}/1`;
    expect(ledger.rows[clicked]?.target).toBe(0);
    await recompute(changed(), true);
    await caughtUp();
    expect(ledger.rows[clicked]).toEqual({ shown: 1, target: 1 });
    for (const reward of (await latestRewards(world.log)).values())
      expect(ledger.rows[`${decisionIdFromBytes(reward.decisionId)}/1`]?.target ?? null).toBe(reward.target);
  } finally {
    await role.stop();
  }
});

test('an erased customer is left out', async () => {
  const key = customerKeyToBytes(customerKey('c-1'));
  await world.log.append([
    {
      topic: TOPICS.erasures,
      shard: shardOf('c-1'),
      key,
      value: erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf('c-1') }),
    },
  ]);
  expect(await recompute(changed())).toEqual({ judged: CUSTOMERS - 1, changed: 19, outOfReach: 0 });
});
