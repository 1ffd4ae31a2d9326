import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TOPICS } from '#contracts';
import { describeEventLogContract } from '../contract-suite.ts';
import { openLmdbLog } from './open-lmdb-log.ts';

describeEventLogContract('lmdb', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-log-'));
  return { open: () => openLmdbLog({ dir }), dispose: () => rm(dir, { recursive: true }) };
});

describe('the LMDB log alone', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'attune-log-'));
  });

  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it('says which partition count it has when it is opened with another', async () => {
    await (await openLmdbLog({ dir, partitions: 4 })).close();
    await expect(openLmdbLog({ dir, partitions: 8 })).rejects.toThrow(/has 4 partitions and cannot be opened with 8/);
    const log = await openLmdbLog({ dir });
    expect(log.partitions).toBe(4);
    await log.close();
  });

  it('refuses partition counts that its keys cannot hold', async () => {
    await expect(openLmdbLog({ dir, partitions: 0 })).rejects.toMatchObject({ code: 'event-log.partitions' });
    await expect(openLmdbLog({ dir: join(dir, 'other'), partitions: 257 })).rejects.toMatchObject({ code: 'event-log.partitions' });
  });

  it('is unavailable, not broken, where its directory cannot be', async () => {
    const file = join(dir, 'file');
    await writeFile(file, '');
    await expect(openLmdbLog({ dir: join(file, 'log') })).rejects.toMatchObject({ code: 'event-log.unavailable', retriable: true });
  });

  it('skips offsets after the machine was started anew, so that no lost offset is given twice', async () => {
    const first = await openLmdbLog({ dir, bootId: 'monday' });
    const [before] = await first.append([{ topic: TOPICS.events, shard: 0, value: Buffer.from('a') }]);
    await first.close();
    const second = await openLmdbLog({ dir, bootId: 'tuesday' });
    const seen: number[] = [];
    second.consume({
      group: 'g',
      topics: [TOPICS.events],
      onBatch: async ({ records }) => void seen.push(...records.map(({ offset }) => offset)),
    });
    await vi.waitFor(async () => expect(await second.lag('g', [TOPICS.events])).toBe(0));
    const [after] = await second.append([{ topic: TOPICS.events, shard: 0, value: Buffer.from('b') }]);
    expect(after!.offset).toBeGreaterThan(before!.offset + 60_000);
    await vi.waitFor(() => expect(seen).toEqual([before!.offset, after!.offset]));
    expect(second.epoch).toBe(first.epoch);
    await second.close();
  });

  it('never lets timestamps fall when the clock does', async () => {
    let nowMs = 1_000;
    const log = await openLmdbLog({ dir, now: () => nowMs });
    for (const at of [1_000, 500, 1_500]) {
      nowMs = at;
      await log.append([{ topic: TOPICS.events, shard: 0, value: Buffer.from(String(at)) }]);
    }
    expect(log.readNow(TOPICS.events, 0, 0, 10).map(({ timestampMs }) => timestampMs)).toEqual([1_000, 1_000, 1_500]);
    await log.close();
  });

  it('forgets the offsets of groups whose log was replaced', async () => {
    const first = await openLmdbLog({ dir });
    first.consume({ group: 'g', topics: [TOPICS.events], onBatch: async () => undefined });
    await first.append([{ topic: TOPICS.events, shard: 0, value: Buffer.from('a') }]);
    await vi.waitFor(async () => expect(await first.committed('g', TOPICS.events, 0)).toBe(1));
    await first.close();
    await rm(join(dir, 'records'), { recursive: true });
    const second = await openLmdbLog({ dir });
    expect(second.epoch).not.toBe(first.epoch);
    expect(await second.committed('g', TOPICS.events, 0)).toBeNull();
    await second.close();
  });
});
