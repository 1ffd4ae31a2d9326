/** One learner among several processes, embedded: killed, paused and woken, it is followed within seconds, and nothing is learned twice or not at all. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TOPICS, modelCodec } from '#contracts';
import type { ModelRecord } from '#contracts';
import { openLmdbLog } from '#event-log';
import type { EventLog, Follower } from '#event-log';
import { openLmdbFeatureStore } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import { live } from './learners/life.ts';
import type { Life } from './learners/life.ts';
import { startPipeline } from './learners/pipelines.ts';
import type { PipelineProcess } from './learners/pipelines.ts';
import { learnInOneGo } from './learners/reference.ts';
import { differenceOf, statisticsOfHome } from './learners/statistics.ts';

const LEASE_MS = 4_000;
const dataDir = mkdtempSync(join(tmpdir(), 'attune-learners-'));
const scratch = mkdtempSync(join(tmpdir(), 'attune-learners-reference-'));

let log: EventLog;
let store: FeatureStore;
let follower: Follower;
let life: Life;
const running: PipelineProcess[] = [];
/** In log order, with the time at which they were heard here. */
const heard: { readonly record: ModelRecord; readonly atMs: number }[] = [];

beforeAll(async () => {
  log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
  store = await openLmdbFeatureStore({ dir: join(dataDir, 'feature-store'), partitions: 8 });
  follower = log.follow([TOPICS.models], ({ value, key }) => {
    const record = modelCodec.decode(value);
    // Kept ones come under a second key of their own.
    if (record.snapshot > 0 && key?.toString() === `/${record.version}`) heard.push({ record, atMs: performance.now() });
  });
});
afterAll(async () => {
  await life?.stop();
  for (const child of running) await child.kill();
  await follower?.stop();
  await store?.close();
  await log?.close();
  for (const dir of [dataDir, scratch]) rmSync(dir, { recursive: true, force: true });
});

const eventually = async (what: string, holds: () => Promise<boolean> | boolean, withinMs = 45_000): Promise<void> => {
  for (const endMs = performance.now() + withinMs; !(await holds()); await delay(25))
    if (performance.now() > endMs)
      throw new Error(`${what}: not within ${withinMs} ms; the last snapshot is ${JSON.stringify(heard.at(-1))}`);
};
const newest = (): ModelRecord | null =>
  heard.reduce<ModelRecord | null>((best, { record }) => (best === null || record.snapshot > best.snapshot ? record : best), null);
const start = async (): Promise<PipelineProcess> => {
  const started = await startPipeline({ dataDir, roles: 'learn' });
  running.push(started);
  await eventually('the learner reads', async () => ((await started.metrics()).get('attune_learn_experiences') ?? -1) >= 0);
  return started;
};
const isLearner = async (child: PipelineProcess): Promise<boolean> => (await child.metrics()).get('attune_learn_is_learner') === 1;

/**
 * LMDB has one write lock for all processes, and whoever is stopped while holding it holds up everybody until it goes on, which is not what
 * is to be seen here: then it goes on for a moment and is stopped again. Returns when it was stopped.
 */
const pause = async (child: PipelineProcess): Promise<number> => {
  for (;;) {
    child.pause();
    const stoppedMs = performance.now();
    const lived = life.decisions;
    const isStoreFree = store.leases.hold('probe', 'test', 1_000).then(() => true);
    await delay(1_000);
    if (life.decisions > lived && (await Promise.race([isStoreFree, delay(0).then(() => false)]))) return stoppedMs;
    child.resume();
    await delay(50);
  }
};

describe('one learner among several processes', () => {
  test(
    'a holder that is paused, a holder that is killed: another publishes within twice the lease, and all count the same',
    { timeout: 240_000 },
    async () => {
      const first = await start();
      const second = await start();
      life = live(log, 4);
      await eventually('the first publishes what was lived', () => (newest()?.experiences ?? 0) >= 40);
      expect([await isLearner(first), await isLearner(second)]).toEqual([true, false]);

      const takeover = async (what: string, since: number): Promise<void> => {
        const before = newest()!;
        await eventually(`${what}: another publishes`, () => newest()!.snapshot >= before.snapshot + 1_000);
        const tookMs = heard.find(({ record }) => record.snapshot >= before.snapshot + 1_000)!.atMs - since;
        console.log(`${what}: published again after ${Math.round(tookMs)} ms`);
        expect(tookMs).toBeLessThan(2 * LEASE_MS);
      };

      await takeover('SIGSTOP of the holder', await pause(first));
      // Long enough that the second one is far ahead.
      await delay(1_000);
      const awokeAt = heard.length;
      first.resume();
      await delay(2_000);
      expect(await isLearner(second)).toBe(true);
      expect(await isLearner(first)).toBe(false);
      const after = heard.slice(awokeAt).map(({ record }) => record.snapshot);
      console.log(`SIGCONT: ${after.filter((snapshot) => snapshot < newest()!.snapshot - 900).length} late snapshots of ${after.length}`);
      // The record that compaction would leave is the newest one.
      await eventually('the last word is the newest', () => heard.at(-1)!.record.snapshot === newest()!.snapshot);

      await second.kill();
      await takeover('SIGKILL of the holder', performance.now());
      expect(await isLearner(first)).toBe(true);

      // In the home of the killed one, from its last checkpoint.
      const third = await start();
      await life.stop();
      for (const child of [first, third])
        await eventually('all is learned', async () => (await child.metrics()).get('attune_learn_experiences') === life.decisions);
      await eventually('all is published', () => newest()!.experiences === life.decisions);
      expect(new Set(heard.map(({ record }) => record.snapshot)).size).toBe(new Set(heard.map(({ record }) => record.blob)).size);
      for (const child of [first, third]) await child.stop();

      const reference = await learnInOneGo(log, scratch);
      expect(reference.experiences).toBe(life.decisions);
      for (const home of ['learner', 'learner-2']) {
        const statistics = await statisticsOfHome(join(dataDir, home));
        expect(statistics.experiences).toBe(life.decisions);
        const difference = differenceOf(statistics, reference);
        console.log(
          `${home}: ${statistics.experiences} experiences, ${statistics.sums.size} sums, largest difference ${difference.toExponential(1)}`,
        );
        expect(difference).toBeLessThan(1e-12);
      }
    },
  );
});
