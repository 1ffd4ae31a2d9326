/** A 2xx means durable: what fails or is late is a 503, and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineUnavailable, TOPICS } from '#contracts';
import { openLmdbLog, type AppendRecord, type EventLog } from '#event-log';
import { ProblemError } from '../errors/problem.ts';
import { createAppender } from './append-in-time.ts';

let dir: string;
let log: EventLog;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-append-'));
  log = await openLmdbLog({ dir, partitions: 2 });
});
afterAll(async () => {
  await log.close();
  await rm(dir, { recursive: true, force: true });
});

const record = (text: string): AppendRecord => ({ topic: TOPICS.events, shard: 0, value: Buffer.from(text) });
const appenderOn = (one: EventLog, boundMs = 250) =>
  createAppender({ log: one, boundMs, monotonicMs: () => performance.now(), onAppended: () => undefined });

test('requests of one turn share an append and keep their order', async () => {
  let appends = 0;
  const counted: EventLog = { ...bound(log), append: (records) => (appends++, log.append(records)) };
  const appender = appenderOn(counted);
  await Promise.all(['a', 'b', 'c'].map((text) => appender.append([record(text)])));
  const read = await log.read(TOPICS.events, 0, 0, 10);
  expect(read.map(({ value }) => value.toString())).toEqual(['a', 'b', 'c']);
  expect(appends).toBe(1);
});

test('a log that fails is a 503 that says so', async () => {
  const failing: EventLog = { ...bound(log), append: () => Promise.reject(new EngineUnavailable('event-log', 'the disk is full')) };
  await expect(appenderOn(failing).append([record('x')])).rejects.toMatchObject({
    statusCode: 503,
    message: expect.stringContaining('the disk is full'),
  });
});

test('a log that throws at once is a 503 too', async () => {
  const throwing: EventLog = {
    ...bound(log),
    append: () => {
      throw new EngineUnavailable('event-log', 'closed');
    },
  };
  await expect(appenderOn(throwing).append([record('x')])).rejects.toBeInstanceOf(ProblemError);
});

test('a log that is late is a 503 at the bound, and drain waits for what is still in hand', async () => {
  let finish: (() => void) | undefined;
  const slow: EventLog = { ...bound(log), append: async () => (await new Promise<void>((resolve) => (finish = resolve)), []) };
  const appender = appenderOn(slow, 30);
  const began = performance.now();
  await expect(appender.append([record('x')])).rejects.toMatchObject({ statusCode: 503 });
  expect(performance.now() - began).toBeLessThan(200);
  let drained = false;
  const draining = appender.drain().then(() => (drained = true));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(drained).toBe(false);
  finish!();
  await draining;
});

const bound = (one: EventLog): EventLog => ({
  epoch: one.epoch,
  partitions: one.partitions,
  append: (records) => one.append(records),
  read: (...rest) => one.read(...rest),
  offsets: (...rest) => one.offsets(...rest),
  offsetAt: (...rest) => one.offsetAt(...rest),
  consume: (options) => one.consume(options),
  follow: (...rest) => one.follow(...rest),
  committed: (...rest) => one.committed(...rest),
  lag: (...rest) => one.lag(...rest),
  retain: (options) => one.retain(options),
  close: () => one.close(),
});
