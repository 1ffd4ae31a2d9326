import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NO_CONTROLS, TOPICS, controlCodec, shardOf, type Control } from '#contracts';
import { openLmdbLog } from '../lmdb/open-lmdb-log.ts';
import type { EventLog } from '../port.ts';
import { followControls, type ControlsHolder, type FollowControlsDeps } from './follow-controls.ts';

let dir: string;
let log: EventLog;
let holders: ControlsHolder[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-controls-'));
  log = await openLmdbLog({ dir, partitions: 4 });
  holders = [];
});
afterEach(async () => {
  await Promise.all(holders.map((holder) => holder.stop()));
  await log.close();
  await rm(dir, { recursive: true, force: true });
});

const open = async (more: Partial<FollowControlsDeps> = {}): Promise<ControlsHolder> => {
  const holder = followControls({
    log,
    onUnreadable: (error) => {
      throw error;
    },
    ...more,
  });
  holders.push(holder);
  await holder.caughtUp;
  return holder;
};

const pause = (name: string) => (current: Control) => ({ ...current, actor: name, pausedActions: [...current.pausedActions, name] });

test('of writers that race, none loses a change, and all followers come to the same', async () => {
  const writers = await Promise.all([open(), open(), open()]);
  const names = writers.flatMap((_, w) => Array.from({ length: 8 }, (_, i) => `${w}/${i}`));
  const seen: number[] = [];
  writers[0].onChange(({ version }) => seen.push(version));
  const made = await Promise.all(names.map((name, i) => writers[i % writers.length]!.change(pause(name))));

  expect(new Set(made.map(({ version }) => version)).size).toBe(names.length);
  for (const [i, { actor }] of made.entries()) expect(actor).toBe(names[i]);
  for (const holder of [...writers, await open()]) {
    await expect.poll(() => holder.current().version).toBe(names.length);
    expect(holder.current().pausedActions.toSorted()).toEqual(names.toSorted());
  }
  expect(seen).toEqual(names.map((_, i) => i + 1));
});

test('a writer that died after it came second leaves nothing that anybody obeys, also after compaction', async () => {
  const writer = await open();
  await writer.change(pause('first'));
  const second = controlCodec.encode({ ...NO_CONTROLS, version: 1, actor: 'second', pausedActions: ['second'] });
  await log.append([{ topic: TOPICS.controls, shard: shardOf('controls'), key: Buffer.from('controls/another'), value: second }]);
  await log.retain({ nowMs: Date.now() + 60_000, maxAgeMs: 0, requiredGroups: [] });
  const late = await open();
  expect(late.current().actor).toBe('first');
  await late.change(pause('third'));
  await expect.poll(() => writer.current().pausedActions).toEqual(['first', 'third']);
});

test('a change that has nothing to change, or refuses, writes nothing', async () => {
  const holder = await open();
  expect(await holder.change(() => null)).toBe(NO_CONTROLS);
  await expect(
    holder.change(() => {
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect((await holder.change(pause('x'))).version).toBe(1);
});

test('a change that the log does not show in time is told apart from one that it refused', async () => {
  const refused = await open({ append: () => Promise.reject(new Error('away')) });
  await expect(refused.change(pause('x'))).rejects.toThrow('away');
  const swallowed = await open({ append: () => Promise.resolve(), patienceMs: 20 });
  await expect(swallowed.change(pause('x'))).rejects.toMatchObject({ code: 'controls.unseen' });
});
