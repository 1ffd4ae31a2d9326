/** The law of rebuilding: whatever happened, a store made from a snapshot and the log is the store that was. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOUR_MS, STATE_INPUTS, TOPICS } from '#contracts';
import { isRebuilding, openLmdbFeatureStore } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import { SILENT } from '../role.ts';
import { createStateRole } from '../state/state-role.ts';
import type { StateRole } from '../state/state-role.ts';
import { PARTITIONS, openWorld, readTopic, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { rebuild } from './rebuild.ts';
import type { RebuildDeps } from './rebuild.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { contentOf } from './test-content.ts';
import { createTraffic } from './test-traffic.ts';

let world: World;
let role: StateRole | undefined;
let aheadMs = 0;
const clock = (): number => Date.now() + aheadMs;

beforeEach(async () => {
  aheadMs = 0;
  world = await openWorld();
});
afterEach(async () => {
  await role?.stop();
  await world.close();
});

const startRole = async (): Promise<StateRole> => {
  const { log, store, project } = world;
  role = createStateRole({ log, store, project, clock, logger: SILENT, timerPollMs: 20, rebuildPollMs: 20, maxRecords: 500 });
  await role.start();
  return role;
};

const drained = (): Promise<void> =>
  until(
    async () =>
      (await world.log.lag('state', STATE_INPUTS)) + (await world.log.lag('state-erasures', [TOPICS.erasures])) === 0 &&
      (await dueTimers(world.store)) === 0,
    20_000,
  );

const dueTimers = async (store: FeatureStore): Promise<number> => {
  let due = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) due += (await store.timers.due(partition, clock(), 10)).length;
  return due;
};

const rebuildWith = (more: Partial<RebuildDeps> & Pick<RebuildDeps, 'snapshot'>) =>
  rebuild({ log: world.log, store: world.store, project: world.project, logger: SILENT, settleMs: 50, ...more });

const countOf = (content: Record<string, unknown>, kind: string): number =>
  Object.keys(content).filter((name) => name.startsWith(kind)).length;

describe('a rebuilt store is the store that was', () => {
  test.each([1, 2, 3, 4])(
    'with a snapshot taken in the midst of traffic, erasures, early outcomes and closing windows (seed %i)',
    async (seed) => {
      await startRole();
      const traffic = createTraffic(world.log, { seed, customers: 200 });
      for (let i = 0; i < 3; i++) await traffic.wave();
      await traffic.erase();
      const [snapshot] = await Promise.all([
        takeSnapshot({ log: world.log, store: world.store, root: join(world.dir, 'snapshots'), clock, chunkRecords: 64 }),
        (async () => {
          for (let i = 0; i < 2; i++) await traffic.wave();
          await traffic.erase();
        })(),
      ]);
      aheadMs = 2 * HOUR_MS;
      await traffic.wave();
      await traffic.erase();
      await traffic.wave();
      await drained();
      await role!.stop();
      const atMs = clock();
      const expected = await contentOf(world, atMs);
      expect(countOf(expected, 'state')).toBeGreaterThan(150);
      expect(countOf(expected, 'link')).toBeGreaterThan(20);
      const before = await Promise.all([TOPICS.rewards, TOPICS.deadLetters, TOPICS.events].map((topic) => readTopic(world.log, topic)));

      await rebuildWith({ snapshot });
      expect(await contentOf(world, atMs)).toEqual(expected);
      await rebuildWith({ snapshot: null });
      expect(await contentOf(world, atMs)).toEqual(expected);
      const after = await Promise.all([TOPICS.rewards, TOPICS.deadLetters, TOPICS.events].map((topic) => readTopic(world.log, topic)));
      expect(after.map(({ length }) => length)).toEqual(before.map(({ length }) => length));
    },
  );

  test('while the state role lives and traffic goes on; what was broken off is marked, and made good by the next', async () => {
    const live = await startRole();
    const traffic = createTraffic(world.log, { seed: 9, customers: 150 });
    for (let i = 0; i < 2; i++) await traffic.wave();
    const snapshot = await takeSnapshot({ log: world.log, store: world.store, root: join(world.dir, 'snapshots'), clock });
    await traffic.wave();
    let records = 0;
    const brokenOff = rebuildWith({
      snapshot,
      onProgress({ phase, done }) {
        if (phase === 'replaying the log' && done > 0 && ++records === 1) throw new Error('killed');
      },
    });
    await traffic.wave();
    await expect(brokenOff).rejects.toThrow('killed');
    expect(await isRebuilding(world.store.leases)).toBe(true);
    const commits = live.counters.commits;
    await traffic.wave();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(live.counters.commits).toBe(commits);
    await expect(takeSnapshot({ log: world.log, store: world.store, root: join(world.dir, 'snapshots'), clock })).rejects.toThrow(
      /not whole/,
    );

    const [rebuilt] = await Promise.all([rebuildWith({ snapshot }), traffic.wave()]);
    expect(rebuilt.restored).toBeGreaterThan(100);
    expect(await isRebuilding(world.store.leases)).toBe(false);
    await traffic.wave();
    await drained();
    await live.stop();
    expect(live.counters.failures).toBe(0);
    const store = await openLmdbFeatureStore({ dir: mkdtempSync(join(world.dir, 'reference-')), partitions: PARTITIONS });
    await rebuildWith({ snapshot: null, store });
    const atMs = clock();
    expect(await contentOf(world, atMs)).toEqual(await contentOf({ ...world, store }, atMs));
    await store.close();
  });

  test('a snapshot of another life of the log is refused, with the way out', async () => {
    const snapshot = await takeSnapshot({ log: world.log, store: world.store, root: join(world.dir, 'snapshots'), clock });
    const log = { ...world.log, epoch: world.log.epoch + 1 };
    await expect(rebuildWith({ snapshot, log })).rejects.toMatchObject({
      code: 'rebuild.epoch',
      message: expect.stringMatching(/snapshot taken since.*--from-log/),
    });
  });

  test('is refused from the log alone while the log holds records from before its partitions were raised', async () => {
    await startRole();
    const traffic = createTraffic(world.log, { seed: 1, customers: 20 });
    await traffic.wave();
    await drained();
    await role!.stop();
    const atMs = clock();
    const expected = await contentOf(world, atMs);
    const log = { ...world.log, raisedAtMs: Date.now() + HOUR_MS };
    await expect(rebuildWith({ snapshot: null, log })).rejects.toMatchObject({ code: 'rebuild.raised' });
    expect(await isRebuilding(world.store.leases)).toBe(false);
    expect(await contentOf(world, atMs)).toEqual(expected);
    await rebuildWith({ snapshot: null, log, acceptLoss: true });
    await rebuildWith({ snapshot: null, log: { ...world.log, raisedAtMs: Date.now() - HOUR_MS } });
    expect(await contentOf(world, atMs)).toEqual(expected);
  });
});
