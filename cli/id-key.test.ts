import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openLmdbFeatureStore } from '#feature-store';
import { agreeOnIdKey, faultOfIdKey, openIdKey } from './id-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-key-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the id key', () => {
  test('it is made once, kept for the owner only, and the same ever after', () => {
    const dataDir = join(folder, 'data');
    const key = openIdKey({ idKey: null, dataDir });
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(openIdKey({ idKey: null, dataDir })).toBe(key);
    expect(statSync(join(dataDir, 'id-key')).mode & 0o777).toBe(0o600);
  });

  test('a given one is used as it is', () => {
    expect(openIdKey({ idKey: 'given-by-the-operator', dataDir: join(folder, 'none') })).toBe('given-by-the-operator');
  });

  test('a store that was filled under one refuses every other', async () => {
    const store = await openLmdbFeatureStore({ dir: join(folder, 'store'), partitions: 1 });
    expect(await faultOfIdKey(store.blobs, 'one')).toBeNull();
    await agreeOnIdKey(store.blobs, 'one');
    await agreeOnIdKey(store.blobs, 'one');
    await expect(agreeOnIdKey(store.blobs, 'another')).rejects.toMatchObject({ code: 'id-key.other', retriable: false });
    expect(await faultOfIdKey(store.blobs, 'another')).toMatch(/every customer in it would be a stranger/);
    await store.close();
  });
});
