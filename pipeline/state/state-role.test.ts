import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  DAY_MS,
  HOUR_MS,
  TOPICS,
  customerKeyToBytes,
  deadLetterCodec,
  decisionIdToBytes,
  erasureCodec,
  rewardCodec,
  shardOf,
} from '#contracts';
import type { Topic } from '#contracts';
import { openLmdbLog } from '#event-log';
import { MAX_IDS } from '#feature-store';
import { listDeadLetters, replayDeadLetters } from '../dead-letters/dead-letters.ts';
import { rebuild } from '../rebuild/rebuild.ts';
import { SILENT } from '../role.ts';
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
  stateOf,
  until,
} from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createStateRole } from './state-role.ts';
import type { StateRole, StateRoleDeps } from './state-role.ts';

let world: World;
let role: StateRole | undefined;
let nowMs = START_MS;

beforeEach(async () => {
  nowMs = START_MS;
  world = await openWorld();
});
afterEach(async () => {
  await role?.stop();
  await world.close();
});

const start = async (more: Partial<StateRoleDeps> = {}): Promise<StateRole> => {
  role = createStateRole({
    log: world.log,
    store: world.store,
    project: world.project,
    clock: () => nowMs,
    logger: SILENT,
    timerPollMs: 20,
    ...more,
  });
  await role.start();
  return role;
};
const inputs: readonly Topic[] = [TOPICS.events, TOPICS.decisions, TOPICS.outcomes, TOPICS.communications];
const settled = (group = 'state'): Promise<void> => until(async () => (await world.log.lag(group, inputs)) === 0);

describe('the state role', () => {
  test('folds events, takes in a decision, and turns its outcomes into rewards', async () => {
    await start();
    await world.log.append([anEvent('c-1', 'e1', 'customer.updated', { plan: 'premium' })]);
    await world.log.append([aDecision('c-1', 1, 'offer-fiber')]);
    await world.log.append([anOutcome('c-1', 1, 'offer-fiber', 'impression'), anOutcome('c-1', 1, 'offer-fiber', 'accepted')]);
    await settled();
    const rewards = (await readTopic(world.log, TOPICS.rewards)).map(({ value }) => rewardCodec.decode(value));
    expect(rewards.map(({ kind, target, reward, outcome, revision }) => ({ kind, target, reward, outcome, revision }))).toEqual([
      { kind: 'outcome', target: 0, reward: 0, outcome: 'impression', revision: 1 },
      { kind: 'outcome', target: 1, reward: 40, outcome: 'impression', revision: 2 },
    ]);
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.attribute('plan')).toBe('premium');
    expect(state.pair('offer-fiber')).toMatchObject({ shown: 1, accepted: 1 });
    expect(state.contacts).toHaveLength(1);
  });

  test('what an agent never offered leaves no trace, and who has it already has refused nothing but is not asked again at once', async () => {
    await start();
    const call = { channel: 'callCenter' };
    await world.log.append([aDecision('c-1', 1, 'offer-fiber', call), aDecision('c-1', 2, 'offer-tv', call)]);
    await settled();
    expect((await stateOf(world, 'c-1'))!.contacts).toHaveLength(2);
    await world.log.append([
      anOutcome('c-1', 1, 'offer-fiber', 'neverOffered'),
      anOutcome('c-1', 1, 'offer-fiber', 'rejected'),
      anOutcome('c-1', 2, 'offer-tv', 'alreadyHas'),
    ]);
    await settled();
    const rewards = new Map([...(await latestRewards(world.log)).values()].map((reward) => [reward.actionId, reward]));
    expect(rewards.get('offer-fiber')).toMatchObject({ target: null, reward: 0, outcome: 'neverOffered' });
    // The agent's time was spent.
    expect(rewards.get('offer-tv')).toMatchObject({ target: null, reward: -0.5, outcome: 'alreadyHas' });
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.contacts.map(({ actionId }) => actionId)).toEqual(['offer-tv']);
    expect(state.pair('offer-fiber')).toMatchObject({ shown: 0, accepted: 0, lastShownMs: 0 });
    expect(state.pair('offer-tv')).toMatchObject({ shown: 1, accepted: 0, rejected: 1, lastRejectedMs: START_MS });
    expect(role!.counters).toMatchObject({ outcomes: 3, alreadyHas: 1, neverOffered: 1 });
  });

  test('a retried event, decision or outcome counts once', async () => {
    await start();
    const records = [
      anEvent('c-1', 'e1', 'ticket.opened', { ticketId: 't', topic: 'network', severity: 'low' }),
      aDecision('c-1', 1, 'offer-fiber'),
      anOutcome('c-1', 1, 'offer-fiber', 'accepted'),
    ];
    await world.log.append(records);
    await settled();
    await world.log.append(records);
    await settled();
    expect(role!.counters).toMatchObject({ events: 1, decisions: 1, outcomes: 1, duplicates: 3 });
    expect(await readTopic(world.log, TOPICS.rewards)).toHaveLength(1);
  });

  test('a decision that comes again counts once while it waits for outcomes, though a busy customer has had it forgotten', async () => {
    await start();
    const call = aDecision('c-1', 1, 'offer-fiber', { channel: 'callCenter' });
    await world.log.append([call]);
    await settled();
    await world.log.append(
      Array.from({ length: MAX_IDS }, (_, i) => anEvent('c-1', `e${i}`, 'customer.updated', { plan: 'premium' }, START_MS + i)),
    );
    await settled();
    await world.log.append([call]);
    await settled();
    expect(role!.counters).toMatchObject({ decisions: 1, duplicates: 1 });
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.contacts).toHaveLength(1);
    expect(state.pair('offer-fiber')).toMatchObject({ shown: 1 });
    expect(await readTopic(world.log, TOPICS.rewards)).toHaveLength(1);
  });

  test('a retry counts once also where all of it is read a day late, and a rebuild agrees', async () => {
    const atMs = Date.now();
    const records = [
      anEvent('c-1', 'e1', 'ticket.opened', { ticketId: 't', topic: 'network', severity: 'low' }, atMs),
      aDecision('c-1', 1, 'offer-fiber', { decidedAt: atMs, channel: 'sms' }),
      anOutcome('c-1', 1, 'offer-fiber', 'rejected', { decidedAt: atMs, receivedAt: atMs }),
    ];
    for (const record of [...records, ...records]) await world.log.append([record]);
    nowMs = atMs + 30 * HOUR_MS;
    await start({ maxRecords: 1 });
    await settled();
    expect(role!.counters).toMatchObject({ events: 1, decisions: 1, outcomes: 1, duplicates: 3, timersFired: 0 });
    await role!.stop();
    const live = (await stateOf(world, 'c-1'))!;
    expect(live.pair('offer-fiber')).toMatchObject({ shown: 1, rejected: 1 });
    await rebuild({ ...world, snapshot: null, logger: SILENT, settleMs: 50 });
    const rebuilt = (await stateOf(world, 'c-1'))!;
    expect(rebuilt.pairs).toEqual(live.pairs);
    expect(rebuilt.ring.hashes).toEqual(live.ring.hashes);
  });

  test('what waited in an outbox for more than a day, and the retry that waited with it, count once', async () => {
    const atMs = Date.now() - 30 * HOUR_MS;
    const outcome = (receivedAt: number) => anOutcome('c-1', 1, 'offer-fiber', 'rejected', { decidedAt: atMs, receivedAt });
    await world.log.append([aDecision('c-1', 1, 'offer-fiber', { decidedAt: atMs })]);
    for (const record of [outcome(atMs + 1_000), outcome(atMs + 2_000)]) await world.log.append([record]);
    nowMs = Date.now();
    await start({ maxRecords: 1 });
    await settled();
    expect(role!.counters).toMatchObject({ decisions: 1, outcomes: 1, duplicates: 1, timersFired: 0 });
    expect((await stateOf(world, 'c-1'))!.pair('offer-fiber')).toMatchObject({ rejected: 1 });
  });

  test('an outcome that precedes its decision waits for it', async () => {
    await start();
    await world.log.append([anOutcome('c-1', 1, 'offer-fiber', 'accepted')]);
    await settled();
    expect(role!.counters.waiting).toBe(1);
    await world.log.append([aDecision('c-1', 1, 'offer-fiber')]);
    await settled();
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([{ target: 1, reward: 40, sourceTopic: TOPICS.outcomes }]);
    nowMs = Date.now() + 2 * HOUR_MS;
    await until(() => role!.counters.timersFired > 0);
    await settled();
    expect(await listDeadLetters(world.log)).toHaveLength(0);
    expect(await world.store.timers.due(0, nowMs, 10)).toHaveLength(0);
    expect(await world.store.timers.due(1, nowMs, 10)).toHaveLength(0);
  });

  test('an outcome whose decision never comes is a dead letter after an hour', async () => {
    await start();
    await world.log.append([anOutcome('c-1', 1, 'offer-fiber', 'accepted')]);
    await settled();
    nowMs = Date.now() + HOUR_MS + 1_000;
    await until(async () => (await listDeadLetters(world.log)).length > 0);
    expect(await listDeadLetters(world.log)).toMatchObject([{ reason: 'outcome.no-decision', topic: TOPICS.outcomes }]);
    await settled();
    const at = decisionIdToBytes(decisionId('c-1', 1));
    expect(await world.store.states.read(at, shardOf('c-1'))).toBeNull();
  });

  test('a channel that implies the impression teaches 0 at once, and its time-out matures the decision', async () => {
    await start();
    await world.log.append([aDecision('c-1', 1, 'care-bill', { channel: 'callCenter' })]);
    await settled();
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([
      { kind: 'provisional', target: 0, reward: -0.5, matured: false },
    ]);
    nowMs = START_MS + 3 * DAY_MS;
    await until(async () => [...(await latestRewards(world.log)).values()].some(({ matured }) => matured));
    await settled();
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([{ kind: 'matured', target: 0, matured: true, revision: 2 }]);
    expect((await stateOf(world, 'c-1'))!.pending).toHaveLength(0);
    expect(await world.store.states.read(decisionIdToBytes(decisionId('c-1', 1)), shardOf('c-1'))).toBeNull();
  });

  test('a decision that nobody saw teaches nothing when it matures', async () => {
    await start();
    await world.log.append([aDecision('c-1', 1, 'care-bill')]);
    await settled();
    nowMs = START_MS + 4 * DAY_MS;
    await until(async () => (await latestRewards(world.log)).size === 1);
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([{ kind: 'matured', target: null, reward: 0, outcome: 'none' }]);
  });

  test('an order that names the offer within 14 days is its conversion', async () => {
    await start();
    await world.log.append([aDecision('c-1', 1, 'offer-fiber')]);
    await world.log.append([anEvent('c-1', 'o1', 'order.completed', { offerId: 'offer-fiber', amount: 30 }, START_MS + 10 * DAY_MS)]);
    await settled();
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([
      { kind: 'recognised', target: 1, reward: 40, outcome: 'converted', amount: 30 },
    ]);
  });

  test('the ninth open decision matures the first at once', async () => {
    await start();
    await world.log.append(Array.from({ length: 9 }, (_, i) => aDecision('c-1', i, 'care-bill', { decidedAt: START_MS + i })));
    await settled();
    expect([...(await latestRewards(world.log)).entries()].map(([id, { matured }]) => [id, matured])).toEqual([
      [`${decisionId('c-1', 0)}/1`, true],
    ]);
  });

  test("a caller's own candidate is worth what the caller says", async () => {
    await start();
    await world.log.append([aDecision('c-1', 1, 'x', { loop: 'bank', ownCandidates: '[{"id":"x"}]' })]);
    await world.log.append([anOutcome('c-1', 1, 'x', 'scored', { reward: -0.25 })]);
    await settled();
    expect([...(await latestRewards(world.log)).values()]).toMatchObject([{ loop: 'bank', target: -0.25, reward: -0.25 }]);
  });

  test('poison on any topic is a dead letter with its payload, the rest goes on, and it can be given back', async () => {
    await start();
    const shard = shardOf('c-1');
    const junk = Buffer.from('junk');
    await world.log.append([
      ...inputs.map((topic) => ({ topic, shard, value: junk })),
      { ...anEvent('c-1', 'bad', 'customer.updated', {}), value: anEvent('c-1', 'bad', 'customer.updated', []).value },
      aDecision('c-1', 1, 'offer-fiber'),
      anOutcome('c-1', 1, 'offer-tv', 'accepted'),
      anOutcome('c-1', 1, 'offer-fiber', 'danced'),
      anOutcome('c-1', 1, 'offer-fiber', 'accepted'),
    ]);
    await settled();
    const letters = await listDeadLetters(world.log);
    expect(letters.map(({ reason }) => reason).toSorted()).toEqual([
      'event.data',
      'outcome.action',
      'outcome.unknown',
      'record.unreadable',
      'record.unreadable',
      'record.unreadable',
      'record.unreadable',
    ]);
    expect(letters.filter(({ payload }) => payload.equals(junk))).toHaveLength(4);
    expect((await latestRewards(world.log)).size).toBe(1);
    expect(await replayDeadLetters(world.log, { reason: 'outcome.unknown' })).toBe(1);
    await settled();
    expect(await listDeadLetters(world.log, { reason: 'outcome.unknown' })).toHaveLength(2);
  });

  test('a crash between append and commit doubles nothing', async () => {
    let crashes = 0;
    await start({
      beforeCommit: () => {
        if (++crashes % 2 === 1) throw new Error('killed');
        return Promise.resolve();
      },
    });
    await world.log.append([
      anEvent('c-1', 'e1', 'ticket.opened', { ticketId: 't', topic: 'network', severity: 'low' }),
      aDecision('c-1', 1, 'offer-fiber', { channel: 'sms' }),
    ]);
    await world.log.append([anOutcome('c-1', 1, 'offer-fiber', 'accepted')]);
    await settled();
    expect(crashes).toBeGreaterThan(1);
    const rewards = (await readTopic(world.log, TOPICS.rewards)).map(({ value }) => rewardCodec.decode(value));
    const identities = new Set(rewards.map((r) => `${r.sourceTopic}/${r.sourcePartition}/${r.sourceOffset}/${r.sourceIndex}`));
    expect(identities.size).toBe(2);
    for (const reward of rewards) {
      expect(
        rewards
          .filter((other) => other.sourceOffset === reward.sourceOffset && other.sourceTopic === reward.sourceTopic)
          .every((other) => other.revision === reward.revision),
      ).toBe(true);
    }
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.pair('offer-fiber')).toMatchObject({ shown: 1, accepted: 1 });
  });

  test('reading everything again changes nothing and emits nothing', async () => {
    await start();
    await world.log.append([
      anEvent('c-1', 'e1', 'bill.issued', { amount: 30, overage: 1, dueInDays: 10 }),
      aDecision('c-1', 1, 'offer-fiber'),
      anOutcome('c-1', 1, 'offer-fiber', 'clicked'),
    ]);
    await settled();
    const before = await world.store.states.read(customerKeyToBytes(customerKey('c-1')), shardOf('c-1'));
    const rewards = (await readTopic(world.log, TOPICS.rewards)).length;
    await role!.stop();
    await start({ group: 'again' });
    await settled('again');
    expect(role!.counters.skipped).toBe(3);
    expect(await world.store.states.read(customerKeyToBytes(customerKey('c-1')), shardOf('c-1'))).toEqual(before);
    expect((await readTopic(world.log, TOPICS.rewards)).length).toBe(rewards);
  });

  test('an erased customer leaves no state, link, timer or document, and what the log took before is skipped', async () => {
    await start();
    await world.log.append([
      anEvent('c-1', 'e1', 'customer.updated', { plan: 'basic' }),
      aDecision('c-1', 1, 'offer-fiber'),
      aDecision('c-2', 1, 'offer-fiber'),
    ]);
    await settled();
    const key = customerKeyToBytes(customerKey('c-1'));
    const other = customerKeyToBytes(customerKey('c-2'));
    const document = { state: 'sent', dueMs: null, body: Buffer.from('{}') };
    for (const [id, customer, atMs] of [
      ['first', key, START_MS],
      ['since', key, Date.now() + HOUR_MS],
      ['other', other, START_MS],
    ] as const)
      await world.store.documents.put('communication', { ...document, id, customerKey: customer, atMs }, null);
    await world.log.append([
      {
        topic: TOPICS.erasures,
        shard: shardOf('c-1'),
        key,
        value: erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf('c-1') }),
      },
    ]);
    await until(() => role!.counters.erasures === 1);
    expect(await stateOf(world, 'c-1')).toBeNull();
    expect(await world.store.states.read(decisionIdToBytes(decisionId('c-1', 1)), shardOf('c-1'))).toBeNull();
    expect(await stateOf(world, 'c-2')).not.toBeNull();
    const left = await world.store.documents.list('communication', { limit: 10 });
    expect(left.documents.map(({ id }) => id)).toEqual(['other', 'since']);
    await role!.stop();
    await start({ group: 'again', silent: true });
    await settled('again');
    expect(await stateOf(world, 'c-1')).toBeNull();
    // Taken before the erasure, it waited in an outbox until now.
    await world.log.append([anEvent('c-1', 'late', 'customer.updated', { plan: 'basic' })]);
    await settled('again');
    expect(await stateOf(world, 'c-1')).toBeNull();
    await world.log.append([anEvent('c-1', 'e2', 'customer.updated', { plan: 'premium' }, undefined, Date.now())]);
    await settled('again');
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
  });

  test('an erasure in the midst of a batch ends what the batch holds, also where its topic has other partitions than the log', async () => {
    await start({ group: 'before' });
    await world.log.append([anEvent('c-1', 'e1', 'customer.updated', { plan: 'basic' })]);
    await settled('before');
    await role!.stop();
    const key = customerKeyToBytes(customerKey('c-1'));
    const value = erasureCodec.encode({ customerKey: key, erasedAt: Date.now() + 1_000, shard: shardOf('c-1') });
    let erased = false;
    await world.log.append([anEvent('c-1', 'e2', 'customer.updated', { plan: 'premium' })]);
    await start({
      async beforeCommit() {
        if (erased) return;
        erased = true;
        await world.log.append([{ topic: TOPICS.erasures, shard: shardOf('c-1') + 1, key, value }]);
        await new Promise((resolve) => setTimeout(resolve, 500));
      },
    });
    await settled();
    await until(() => role!.counters.erasures === 1);
    expect(await stateOf(world, 'c-1')).toBeNull();
  });

  test('an erasure that is read again, as after a restart, leaves what the customer did since', async () => {
    // A store that may lose its last minute: no offset is committed in this test, so a restart reads all of it again.
    const store = { ...world.store, mayLoseMs: 60_000 };
    await start({ store });
    await world.log.append([anEvent('c-1', 'e1', 'customer.updated', { plan: 'basic' })]);
    await until(async () => (await stateOf(world, 'c-1')) !== null);
    const key = customerKeyToBytes(customerKey('c-1'));
    const shard = shardOf('c-1');
    await world.log.append([
      { topic: TOPICS.erasures, shard, key, value: erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard }) },
    ]);
    await until(() => role!.counters.erasures === 1);
    await world.log.append([anEvent('c-1', 'e2', 'customer.updated', { plan: 'premium' }, undefined, Date.now())]);
    await until(async () => (await stateOf(world, 'c-1'))?.attribute('plan') === 'premium');
    await role!.stop();
    await start({ store });
    await until(() => role!.counters.records === 2);
    await world.log.append([anEvent('c-2', 'e1', 'customer.updated', { plan: 'basic' })]);
    await until(async () => (await stateOf(world, 'c-2')) !== null);
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
    expect(role!.counters.erasures).toBe(0);
  });

  test('a record that lies in another partition than its customer goes to his, and hides nothing that comes later there', async () => {
    await start();
    const own = shardOf('c-1');
    const astray = own + 1;
    // Before it, in its partition, others' records: its offset is far ahead of those in the customer's own.
    const other = ['c-2', 'c-3', 'c-4'].find((customer) => shardOf(customer) % 2 === astray % 2)!;
    await world.log.append(Array.from({ length: 50 }, (_, i) => anEvent(other, `e${i}`, 'page.viewed', { page: 'home' })));
    await world.log.append([anEvent('c-1', 'e1', 'customer.updated', { plan: 'basic' })]);
    await world.log.append([{ ...anEvent('c-1', 'e2', 'customer.updated', { plan: 'premium' }, START_MS + 1), shard: astray }]);
    await settled();
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
    await world.log.append([anEvent('c-1', 'e3', 'customer.updated', { plan: 'family' }, START_MS + 2)]);
    await settled();
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('family');
    expect(role!.counters).toMatchObject({ astray: 1, events: 53, skipped: 0 });
    // Both copies are read again: a group of its own finds the moved one where it belongs.
    await role!.stop();
    await start({ group: 'again', silent: true });
    await settled('again');
    expect(role!.counters).toMatchObject({ astray: 1, events: 0, skipped: 53 });
  });

  test('a dead letter of another number of partitions is given back to the partition of its customer', async () => {
    await start();
    const letter = anEvent('c-1', 'e1', 'customer.updated', { plan: 'premium' });
    const partition = (shardOf('c-1') + 1) % 2;
    const value = deadLetterCodec.encode({
      topic: TOPICS.events,
      partition,
      offset: 500_000,
      reason: 'event.data',
      message: '',
      payload: Buffer.from(letter.value),
      at: START_MS,
    });
    await world.log.append([{ topic: TOPICS.deadLetters, shard: partition, value }]);
    expect(await replayDeadLetters(world.log)).toBe(1);
    await settled();
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
    expect(role!.counters.astray).toBe(0);
  });

  test('an outcome that has waited since before the partitions were raised does not hide those that come in the new life', async () => {
    const others = Array.from({ length: 20 }, () => ({ topic: TOPICS.outcomes, shard: shardOf('c-1'), value: Buffer.from('junk') }));
    await start();
    await world.log.append([...others, anOutcome('c-1', 1, 'offer-fiber', 'impression')]);
    await settled();
    await role!.stop();
    // The raised log, by what the role sees of it: another epoch, and offsets that begin anew.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const raisedAtMs = Date.now();
    const raised = await openLmdbLog({ dir: join(world.dir, 'raised'), partitions: 2 });
    await start({ log: { ...raised, raisedAtMs } });
    await raised.append([aDecision('c-1', 1, 'offer-fiber')]);
    await raised.append([anOutcome('c-1', 1, 'offer-fiber', 'accepted')]);
    await until(async () => (await raised.lag('state', inputs)) === 0);
    expect((await stateOf(world, 'c-1'))!.pair('offer-fiber')).toMatchObject({ shown: 1, accepted: 1 });
    await role!.stop();
    await raised.close();
  });

  test('a dead letter names the reason, the place and the bytes', async () => {
    await start();
    await world.log.append([{ topic: TOPICS.events, shard: 1, value: Buffer.from('x') }]);
    await settled();
    const [letter] = (await readTopic(world.log, TOPICS.deadLetters)).map(({ value }) => deadLetterCodec.decode(value));
    expect(letter).toMatchObject({ topic: TOPICS.events, partition: 1, offset: 0, reason: 'record.unreadable', payload: Buffer.from('x') });
  });
});
