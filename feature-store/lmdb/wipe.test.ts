/** What an erasure deletes is in no file afterwards. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLmdbFeatureStore } from './open-lmdb-feature-store.ts';

const keyOf = (index: number): Buffer => {
  const key = Buffer.alloc(16);
  key.writeUInt32BE((index * 2_654_435_761) % 2 ** 32);
  return key;
};

test('of 50 customers who are erased among 500 that change, no byte stays in the files', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-wipe-'));
  const store = await openLmdbFeatureStore({ dir, partitions: 1 });
  const none = { shard: 0, companions: [], timer: { from: null, to: null } };
  const versions = new Map<number, Buffer>();
  for (let round = 0; round < 6; round++) {
    const commits = Array.from({ length: 500 }, (_, i) => {
      const value = Buffer.from(
        `${round}${i}|${'x'.repeat(round * 17)}|secret-name-${i}-|${'y'.repeat((i * 37) % (i % 7 === 0 ? 5_000 : 400))}`,
      );
      const commit = { ...none, key: keyOf(i), value, expected: versions.get(i) ?? null };
      versions.set(i, value);
      return commit;
    });
    for (let i = 0; i < 500; i += 100) await store.states.commit(commits.slice(i, i + 100));
  }
  const erased = Array.from({ length: 50 }, (_, i) => i * 10);
  await store.states.commit(erased.map((i) => ({ ...none, key: keyOf(i), value: null, expected: versions.get(i)!, wipe: true })));
  const left = (): number => {
    const file = readFileSync(join(dir, 'states', 'data.mdb'));
    return erased.filter((i) => file.includes(`secret-name-${i}-`)).length;
  };
  await expect.poll(left, { timeout: 15_000 }).toBe(0);
  await store.close();
  rmSync(dir, { recursive: true });
});

test('a store that closes just after an erasure ends in order, and wipes when it is opened again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-wipe-'));
  const none = { shard: 0, companions: [], timer: { from: null, to: null } };
  const value = Buffer.from(`0000|${'x'.repeat(300)}|secret-name`);
  const holds = (): boolean => readFileSync(join(dir, 'states', 'data.mdb')).includes('secret-name');
  for (const afterMs of [0, 510, 600]) {
    const store = await openLmdbFeatureStore({ dir, partitions: 1 });
    await store.states.commit([{ ...none, key: keyOf(1), value, expected: null }]);
    expect(holds()).toBe(true);
    await store.states.commit([{ ...none, key: keyOf(1), value: null, expected: value, wipe: true }]);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await store.close();
    const again = await openLmdbFeatureStore({ dir, partitions: 1 });
    await expect.poll(holds, { timeout: 15_000 }).toBe(false);
    await again.close();
  }
  rmSync(dir, { recursive: true });
});

test('of 20 customers whose documents are forgotten among 200 that change, no byte stays, nor of what they had removed before', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-wipe-'));
  const store = await openLmdbFeatureStore({ dir, partitions: 1 });
  const { documents } = store;
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => {
        const filling = (round * 700 + i * 37) % (i % 7 === 0 ? 5_000 : 400);
        const body = Buffer.from(`secret-name-${i}-|${'x'.repeat(filling)}|secret-name-${i}-`);
        const document = { id: `d${i}`, customerKey: keyOf(i), state: `s${round % 2}`, atMs: i, dueMs: null, body };
        return documents.put('note', document, round === 0 ? null : round);
      }),
    );
  }
  const forgotten = Array.from({ length: 20 }, (_, i) => i * 10);
  for (const i of forgotten.slice(0, 10)) expect(await documents.remove('note', `d${i}`, 5)).toBe(true);
  const found = await Promise.all(forgotten.map((i) => documents.forget(keyOf(i))));
  expect(found).toEqual([...Array.from({ length: 10 }, () => 0), ...Array.from({ length: 10 }, () => 1)]);
  const named = (i: number): boolean => readFileSync(join(dir, 'documents', 'data.mdb')).includes(`secret-name-${i}-`);
  await expect.poll(() => forgotten.filter(named), { timeout: 15_000 }).toEqual([]);
  expect(named(1)).toBe(true);
  await store.close();
  rmSync(dir, { recursive: true });
});
