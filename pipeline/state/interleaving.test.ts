/** Law 5 as a test: the state depends on the set of records, not on how the topics interleave, how batches fall, or how often they come. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { STATE_INPUTS, TOPICS, partitionOf, rewardCodec, shardOf } from '#contracts';
import type { Reward } from '#contracts';
import type { AppendRecord, EventLog, LogRecord } from '#event-log';
import { openLmdbFeatureStore } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { PARTITIONS, START_MS, aDecision, anEvent, anOutcome, openWorld, stateOf } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createStateMetrics } from './metrics.ts';
import { processBatch } from './process-batch.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const CUSTOMERS = Array.from({ length: 40 }, (_, i) => `c-${i}`)
  .filter((customer) => partitionOf(shardOf(customer), PARTITIONS) === 0)
  .slice(0, 3);
const OUTCOMES = ['impression', 'clicked', 'accepted', 'rejected', 'later', 'complaint'];

const history = (): AppendRecord[] => {
  const records: AppendRecord[] = [];
  CUSTOMERS.forEach((customer, c) => {
    for (let i = 0; i < 12; i++) {
      const atMs = START_MS + ((i * 7) % 12) * 5 * 3_600_000;
      records.push(anEvent(customer, `u${i}`, 'usage.recorded', { dataMb: 10 * i + c, voiceMin: i, roaming: i % 3 === 0 }, atMs));
      if (i % 4 === 0)
        records.push(anEvent(customer, `a${i}`, 'customer.updated', { plan: i === 0 ? 'basic' : 'premium', tenureMonths: i }, atMs));
    }
    for (let n = 0; n < 4; n++) {
      const decidedAt = START_MS + n * 60_000;
      records.push(aDecision(customer, n, n % 2 === 0 ? 'offer-fiber' : 'care-bill', { decidedAt, channel: n === 3 ? 'sms' : 'app' }));
      for (let o = 0; o <= n; o++) {
        records.push(
          anOutcome(customer, n, n % 2 === 0 ? 'offer-fiber' : 'care-bill', OUTCOMES[(n + o) % OUTCOMES.length]!, {
            decidedAt,
            occurredAt: decidedAt + o * 1_000,
          }),
        );
      }
      records.push(anOutcome(customer, n, n % 2 === 0 ? 'offer-fiber' : 'care-bill', OUTCOMES[n]!, { decidedAt, occurredAt: decidedAt }));
    }
  });
  return records;
};

/** Records of one partition in the order of each topic, as the log would give them. */
const logged = (records: readonly AppendRecord[]): LogRecord[][] =>
  STATE_INPUTS.map((topic) =>
    records
      .filter((record) => record.topic === topic)
      .map(({ value }, offset) => ({ topic, partition: 0, offset, timestampMs: START_MS + offset, key: null, value: Buffer.from(value) })),
  );

/** Deals the topics' records in the order that `draws` says, in batches of the lengths that it says; every third batch comes twice. */
const run = async (topics: readonly LogRecord[][], draws: readonly number[]): Promise<object> => {
  const store: FeatureStore = await openLmdbFeatureStore({ dir: mkdtempSync(join(world.dir, 'run-')), partitions: PARTITIONS });
  const emitted: AppendRecord[] = [];
  const log = {
    epoch: 7,
    partitions: PARTITIONS,
    append: async (records: readonly AppendRecord[]) => (emitted.push(...records), []),
  } as unknown as EventLog;
  const deps = {
    log,
    store,
    facts: () => world.project,
    clock: () => START_MS + 1_000,
    metrics: createStateMetrics(),
    erasedAt: () => undefined,
    silent: false,
  };
  const queues = topics.map((records) => [...records]);
  let draw = 0;
  const next = (bound: number): number => (draws.length === 0 ? 0 : draws[draw++ % draws.length]! % bound);
  for (let batchNumber = 0; queues.some((queue) => queue.length > 0); batchNumber++) {
    const batch: LogRecord[] = [];
    for (let length = 1 + next(20); length > 0; length--) {
      const open = queues.filter((queue) => queue.length > 0);
      if (open.length > 0) batch.push(open[next(open.length)]!.shift()!);
    }
    await processBatch(deps, 0, batch);
    if (batchNumber % 3 === 2) await processBatch(deps, 0, batch);
  }
  const rewards = new Map<string, Reward>();
  for (const { topic, value } of emitted) {
    expect(topic).toBe(TOPICS.rewards);
    const reward = rewardCodec.decode(value);
    const slot = reward.decisionId.toString('hex');
    if ((rewards.get(slot)?.revision ?? 0) < reward.revision) rewards.set(slot, reward);
  }
  const states = await Promise.all(CUSTOMERS.map((customer) => stateOf({ ...world, store }, customer)));
  await store.close();
  return {
    rewards: [...rewards]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([slot, { target, reward, outcome, amount }]) => ({ slot, target, reward, outcome, amount })),
    states: states.map((state) => ({
      positions: state!.positions,
      attributes: state!.attributes,
      refMs: state!.registers.refMs,
      // float32 with decay: 1e-5 of the value.
      registers: Array.from(state!.registers.values, (value) => (value === 0 || Number.isNaN(value) ? 0 : Number(value.toPrecision(4)))),
      contacts: state!.contacts,
      pairs: [...state!.pairs].toSorted(([a], [b]) => a - b),
      pending: state!.pending.map(({ items, ...rest }) => ({ ...rest, items: items.map((item) => ({ ...item, revision: 0 })) })),
      seen: [...state!.ring.hashes].toSorted((a, b) => a - b),
      timer: state!.nextTimerMs,
    })),
  };
};

describe('the set of records makes the state', () => {
  test('however topics interleave, batches fall and batches repeat, states and final rewards are the same', async () => {
    const topics = logged(history());
    const expected = await run(topics, []);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 1_000 }), { minLength: 30, maxLength: 120 }), async (draws) => {
        expect(await run(topics, draws)).toEqual(expected);
      }),
      { seed: 11, numRuns: 25 },
    );
  });
});
