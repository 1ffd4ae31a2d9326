import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { describeFeatureStoreContract } from '../contract-suite.ts';
import type { FeatureStore } from '../port.ts';
import { openLmdbFeatureStore } from './open-lmdb-feature-store.ts';

describeFeatureStoreContract('lmdb', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-store-'));
  const opened: FeatureStore[] = [];
  return {
    open: async () => {
      const store = await openLmdbFeatureStore({ dir, partitions: 4 });
      opened.push(store);
      return store;
    },
    dispose: async () => {
      await Promise.all(opened.map((store) => store.close()));
      rmSync(dir, { recursive: true });
    },
  };
});

test('a store is refused with another number of partitions than it was made with', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-store-'));
  await (await openLmdbFeatureStore({ dir, partitions: 4 })).close();
  await expect(openLmdbFeatureStore({ dir, partitions: 8 })).rejects.toThrow(
    /has 4 partitions and the event log has 8.*attune rebuild --from-log/,
  );
  rmSync(dir, { recursive: true });
});

test('as many partitions as Kafka may have get a table each', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-store-'));
  for (const partitions of [64, 1_024]) {
    const store = await openLmdbFeatureStore({ dir: join(dir, String(partitions)), partitions });
    const commit = { key: Buffer.alloc(16, 7), value: Buffer.alloc(9, 1), shard: 65_535, expected: null, companions: [] };
    expect(await store.states.commit([{ ...commit, timer: { from: null, to: 5 } }])).toEqual(['committed']);
    expect(await store.states.read(commit.key, commit.shard)).toEqual(commit.value);
    await store.close();
  }
  rmSync(dir, { recursive: true });
});

test('a closed store says so instead of calling a customer unknown', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-store-'));
  const store = await openLmdbFeatureStore({ dir, partitions: 4 });
  await store.close();
  expect(() => store.states.read(Buffer.alloc(16), 0)).toThrow(
    expect.objectContaining({ code: 'feature-store.unavailable', retriable: true }),
  );
  await expect(
    store.states.commit([
      { key: Buffer.alloc(16), value: Buffer.alloc(9), shard: 0, expected: null, companions: [], timer: { from: null, to: null } },
    ]),
  ).rejects.toMatchObject({ code: 'feature-store.unavailable' });
  rmSync(dir, { recursive: true });
});

test('processes that add to the same states at once lose nothing, and of 270 who want 100 places 100 get one', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-store-'));
  const contender = new URL('contender.ts', import.meta.url).pathname;
  const ran = await Promise.all(Array.from({ length: 3 }, () => promisify(execFile)(process.execPath, [contender, dir, '90'])));
  const store = await openLmdbFeatureStore({ dir, partitions: 2 });
  for (let i = 0; i < 3; i++) expect((await store.states.read(Buffer.alloc(16, i), i))!.readUInt32BE()).toBe(90);
  const timers = [...(await store.timers.due(0, 1e6, 10)), ...(await store.timers.due(1, 1e6, 10))];
  expect(timers.map(({ dueMs }) => dueMs)).toEqual([90, 90, 90]);
  expect(ran.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBe(100);
  expect(await store.reservations.held('cap', 1)).toBe(100);
  await store.close();
  rmSync(dir, { recursive: true });
});
