/** What is accepted while the log does not answer: safe on the disk, in the log soon after it is back, in order. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttuneError, EngineUnavailable, TOPICS, erasureCodec, eventCodec, type Topic } from '#contracts';
import { encodeEntry } from '../lmdb/journal-entry.ts';
import { openLmdbLog, type LmdbEventLog } from '../lmdb/open-lmdb-log.ts';
import type { AppendRecord } from '../port.ts';
import { openOutboxLog, type OutboxLogOptions } from './open-outbox-log.ts';
import { ownerTag } from './owner.ts';
import { segmentFileName } from './segment-name.ts';
import { createGate, type Gate, type GateMode } from './test-gate.ts';
import type { OutboxLog } from './types.ts';

const { events, controls } = TOPICS;
const event = (text: string, shard = 0): AppendRecord => ({ topic: events, shard, value: Buffer.from(text) });

let dir: string;
let log: LmdbEventLog;
let gate: Gate;
let opened: OutboxLog[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attune-outbox-'));
  log = await openLmdbLog({ dir: join(dir, 'log'), partitions: 2 });
  gate = createGate(log);
  opened = [];
});

afterEach(async () => {
  gate.mode = 'open';
  await Promise.all(opened.map((each) => each.close()));
  await log.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = async (mode: GateMode = 'open', options: Partial<OutboxLogOptions> = {}): Promise<OutboxLog> => {
  gate.mode = mode;
  const outboxLog = await openOutboxLog({
    openLog: async () => createOwned(),
    dir: join(dir, 'outbox'),
    maxBytes: 10_000_000,
    waitMs: 40,
    ...options,
  });
  opened.push(outboxLog);
  return outboxLog;
};

/** The gate, without its close: the test's own log outlives the outbox. */
const createOwned = (): Gate => Object.assign(Object.create(gate) as Gate, { close: async () => undefined });

const texts = (partition = 0): string[] => log.readNow(events, partition, 0, 100_000).map(({ value }) => value.toString());
const files = (): string[] => readdirSync(join(dir, 'outbox')).filter((name) => name.endsWith('.outbox'));
const setAside = (): Buffer =>
  Buffer.concat(
    readdirSync(join(dir, 'outbox'))
      .filter((name) => name.startsWith('refused'))
      .map((name) => readFileSync(join(dir, 'outbox', name))),
  );
const healed = async (outboxLog: OutboxLog): Promise<void> => {
  for (const end = Date.now() + 20_000; outboxLog.outbox.status().circuit !== 'closed';) {
    if (Date.now() > end) throw new Error(`the outbox did not drain: ${JSON.stringify(outboxLog.outbox.status())}`);
    await delay(5);
  }
};

describe('while the log answers', () => {
  it('nothing is written to the disk', async () => {
    const outboxLog = await open('open', { waitMs: 5_000 });
    for (let turn = 0; turn < 20; turn++) await outboxLog.accept([event(`${turn}`)]);
    expect(texts()).toHaveLength(20);
    expect(files()).toEqual([]);
    expect(outboxLog.outbox.status()).toEqual({
      circuit: 'closed',
      records: 0,
      bytes: 0,
      limitBytes: 10_000_000,
      oldestMs: null,
      forwarded: 0,
      full: 0,
      refused: 0,
    });
  });

  it('what the log refuses for good is refused, and goes nowhere', async () => {
    const outboxLog = await open();
    gate.before = () => Promise.reject(new AttuneError('event-log.too-large', 'a record of 9 MB'));
    await expect(outboxLog.accept([event('x')])).rejects.toMatchObject({ code: 'event-log.too-large' });
    await expect(outboxLog.accept([event('x', 70_000)])).rejects.toMatchObject({ code: 'event-log.shard' });
    expect(files()).toEqual([]);
  });
});

describe.each<GateMode>(['hang', 'down'])('while the log is away (%s)', (away) => {
  it('records are acknowledged within the wait, on the disk, and come into the log in order when it is back', async () => {
    const outboxLog = await open(away);
    const began = performance.now();
    await outboxLog.accept([event('0')]);
    expect(performance.now() - began).toBeLessThan(400);
    // Nobody pays the wait again.
    const after = performance.now();
    for (let turn = 1; turn < 50; turn++) await outboxLog.accept([event(`${turn}`), event(`other ${turn}`, 1)]);
    expect(performance.now() - after).toBeLessThan(50 * 40);
    expect(texts()).toEqual([]);
    expect(outboxLog.outbox.status()).toMatchObject({ records: 99, forwarded: 0, full: 0 });
    expect(outboxLog.outbox.status().oldestMs).toBeGreaterThan(Date.now() - 20_000);
    gate.mode = 'open';
    await healed(outboxLog);
    expect(texts()).toEqual(Array.from({ length: 50 }, (_, turn) => `${turn}`));
    expect(texts(1)).toEqual(Array.from({ length: 49 }, (_, turn) => `other ${turn + 1}`));
    await delay(20);
    expect(files()).toEqual([]);
    await outboxLog.accept([event('direct again')]);
    expect(texts().at(-1)).toBe('direct again');
  });

  it('a record can be found on the disk, and only there', async () => {
    const outboxLog = await open(away);
    await outboxLog.accept([event('a'), event('sought'), event('b')]);
    const window = { fromMs: Date.now() - 60_000, toMs: Date.now() + 1_000 };
    const find = (text: string, topic: Topic = events): Promise<Buffer | null> =>
      outboxLog.outbox.find({ topic, ...window, holds: { at: 0, bytes: Buffer.from(text) } });
    expect((await find('sought'))?.toString()).toBe('sought');
    expect(await find('not there')).toBeNull();
    expect(await find('sought', TOPICS.outcomes)).toBeNull();
    // Another opening, as another process would be, sees it too.
    const other = await open(away);
    const sought = { topic: events, ...window, holds: { at: 2, bytes: Buffer.from('ught') } };
    expect((await other.outbox.find(sought))?.toString()).toBe('sought');
    gate.mode = 'open';
    await healed(outboxLog);
    await delay(20);
    expect(await find('sought')).toBeNull();
  });

  it('a search reads what was written to since, in the order of its opening, and nothing once it is given up', async () => {
    const outboxLog = await open(away);
    const nowMs = Date.now();
    const left = (box: string, openedAtMs: number, text: string, writtenMs: number): void => {
      const path = join(dir, 'outbox', segmentFileName({ owner: 'another-container:1@1', box, index: 1, openedAtMs }));
      const header = Buffer.concat([Buffer.from('ATTUNEo1'), Buffer.alloc(8)]);
      header.writeDoubleLE(16, 8);
      writeFileSync(path, Buffer.concat([header, encodeEntry({ number: 1, acceptedAtMs: nowMs, records: [event(text)] })]));
      utimesSync(path, writtenMs / 1_000, writtenMs / 1_000);
    };
    left('a', nowMs - 1_000, 'sought second', nowMs);
    left('b', nowMs - 2_000, 'sought first', nowMs);
    // What it holds by its own words cannot be, so that a search that reads it would say so.
    left('c', nowMs - 9_000, 'sought before', nowMs - 8_000);
    const wanted = { topic: events, fromMs: nowMs - 500, toMs: Number.POSITIVE_INFINITY, holds: { at: 0, bytes: Buffer.from('sought') } };
    const found = await Promise.all([1, 2, 3].map(() => outboxLog.outbox.find(wanted)));
    expect(found.map(String)).toEqual(['sought first', 'sought first', 'sought first']);
    expect(await outboxLog.outbox.find(wanted, AbortSignal.abort())).toBeNull();
  });

  it('what steers the system is not acknowledged, for nobody could see it', async () => {
    const outboxLog = await open(away);
    await outboxLog.accept([event('x')]);
    if (away === 'hang') gate.mode = 'down';
    await expect(outboxLog.accept([{ topic: controls, shard: 0, key: Buffer.from('k'), value: Buffer.from('v') }])).rejects.toBeInstanceOf(
      EngineUnavailable,
    );
    await expect(outboxLog.append([])).rejects.toBeInstanceOf(EngineUnavailable);
  });
});

it('an answer that comes late takes the record out of the outbox: it is in the log once', async () => {
  const outboxLog = await open('deaf');
  await Promise.all([0, 1, 2, 3, 4].map((turn) => outboxLog.accept([event(`${turn}`)])));
  await outboxLog.accept([event('5')]);
  expect(outboxLog.outbox.status().records).toBe(6);
  gate.mode = 'open';
  await healed(outboxLog);
  expect(texts()).toEqual(['0', '1', '2', '3', '4', '5']);
});

it('a record whose answer was lost comes twice, and the second one is the same', async () => {
  const outboxLog = await open('lossy');
  await outboxLog.accept([event('once')]);
  gate.mode = 'open';
  await healed(outboxLog);
  expect(new Set(texts())).toEqual(new Set(['once']));
});

it('a slow answer is not waited for past the disk, and a fast one is', async () => {
  const outboxLog = await open('open', { waitMs: 600 });
  gate.before = () => delay(30);
  await outboxLog.accept([event('fast enough')]);
  expect(outboxLog.outbox.status().forwarded).toBe(0);
  gate.before = () => delay(3_000);
  const began = performance.now();
  await outboxLog.accept([event('too slow')]);
  expect(performance.now() - began).toBeLessThan(2_900);
  gate.before = async () => undefined;
  await healed(outboxLog);
  expect(texts()).toEqual(['fast enough', 'too slow']);
});

describe('the bound', () => {
  it('refuses by name at the bound, counts it, keeps what it took, and takes again when there is room', async () => {
    const outboxLog = await open('down', { maxBytes: 60_000 });
    const accepted: string[] = [];
    const refused: unknown[] = [];
    for (let turn = 0; turn < 100; turn++) {
      const text = `${turn} ${'x'.repeat(1_000)}`;
      await outboxLog.accept([event(text)]).then(
        () => accepted.push(text),
        (error: unknown) => refused.push(error),
      );
    }
    expect(accepted.length).toBeGreaterThan(50);
    expect(refused.length).toBeGreaterThan(30);
    expect(refused[0]).toMatchObject({ code: 'outbox.full', retriable: true, message: expect.stringContaining('does not answer since') });
    expect(outboxLog.outbox.status()).toMatchObject({ full: refused.length, records: accepted.length });
    expect(outboxLog.outbox.status().bytes).toBeLessThanOrEqual(60_000);
    gate.mode = 'open';
    await healed(outboxLog);
    expect(texts()).toEqual(accepted);
    await outboxLog.accept([event('room again')]);
    expect(texts().at(-1)).toBe('room again');
  });

  it('counts what other processes hold in the same folder', async () => {
    const one = await open('down', { maxBytes: 50_000 });
    for (let turn = 0; turn < 30; turn++) await one.accept([event('x'.repeat(1_000))]);
    const other = await open('down', { maxBytes: 50_000 });
    await expect(
      (async () => {
        for (let turn = 0; turn < 30; turn++) await other.accept([event('y'.repeat(1_000))]);
      })(),
    ).rejects.toMatchObject({ code: 'outbox.full' });
  });

  it('says so when the disk cannot be written, and asks it again a second later', async () => {
    let nowMs = Date.now();
    const outboxLog = await open('down', { clock: () => nowMs });
    rmSync(join(dir, 'outbox'), { recursive: true });
    writeFileSync(join(dir, 'outbox'), 'a file where the folder was');
    const unwritable = { code: 'outbox.unwritable', retriable: true, message: expect.stringContaining('ENOTDIR') };
    await expect(outboxLog.accept([event('x')])).rejects.toMatchObject(unwritable);
    rmSync(join(dir, 'outbox'));
    mkdirSync(join(dir, 'outbox'));
    nowMs += 900;
    await expect(outboxLog.accept([event('y')])).rejects.toMatchObject(unwritable);
    expect(files()).toEqual([]);
    nowMs += 200;
    await outboxLog.accept([event('z')]);
    expect(files()).toHaveLength(1);
  });

  it('a file that cannot be taken over keeps its name, and is taken over when it can be', async () => {
    const left = segmentFileName({ owner: ownerTag(), box: 'gone', index: 1, openedAtMs: Date.now() });
    mkdirSync(join(dir, 'outbox', left), { recursive: true });
    const outboxLog = await open('down');
    expect(files()).toEqual([left]);
    await outboxLog.accept([event('left')]);
    rmSync(join(dir, 'outbox', left), { recursive: true });
    await outboxLog.close();
    renameSync(join(dir, 'outbox', files()[0]!), join(dir, 'outbox', left));
    await healed(await open());
    expect(texts()).toEqual(['left']);
  });
});

describe('a full disk', () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const mayMount = ((): boolean => {
    const there = mkdtempSync(join(tmpdir(), 'attune-mount-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', there], { stdio: 'ignore' });
      execFileSync('umount', [there]);
      return true;
    } catch {
      return false;
    } finally {
      rmdirSync(there);
    }
  })();

  it.skipIf(!mayMount)(
    'refuses without a file or descriptor more each time, keeps what it took, and takes again when there is room',
    async () => {
      const there = join(dir, 'outbox');
      const fill = (): void => {
        expect(() => writeFileSync(join(there, 'ballast'), Buffer.alloc(128_000))).toThrow('ENOSPC');
      };
      mkdirSync(there);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', there]);
      try {
        let nowMs = Date.now();
        const outboxLog = await open('down', { clock: () => nowMs });
        const refusals = async (): Promise<void> => {
          for (let turn = 0; turn < 200; turn++) {
            // Past each rest: every one of them asks the disk.
            nowMs += 2_000;
            await expect(outboxLog.accept([event(`refused ${'x'.repeat(5_000)}`)])).rejects.toMatchObject({
              code: 'outbox.unwritable',
              message: expect.stringMatching(/ENOSPC|only a part/),
            });
          }
        };
        fill();
        const before = descriptors();
        await refusals();
        expect(descriptors()).toBe(before);
        expect(files()).toEqual([]);

        rmSync(join(there, 'ballast'));
        nowMs += 2_000;
        await outboxLog.accept([event('a')]);
        fill();
        const one = descriptors();
        await refusals();
        expect(descriptors()).toBe(one);
        expect(files()).toHaveLength(1);

        rmSync(join(there, 'ballast'));
        nowMs += 2_000;
        await outboxLog.accept([event('b')]);
        gate.mode = 'open';
        await healed(outboxLog);
        expect(texts()).toEqual(['a', 'b']);
        await outboxLog.close();
      } finally {
        execFileSync('umount', ['-l', there]);
      }
    },
  );
});

describe('what the log will never take', () => {
  it('is set aside by name, and holds back nothing', async () => {
    const errors: string[] = [];
    const logger = { info: () => undefined, warn: () => undefined, error: (message: string) => errors.push(message) };
    const outboxLog = await open('down', { logger });
    for (const text of ['a', 'poison', 'b']) await outboxLog.accept([event(text)]);
    gate.before = async (records) => {
      if (records.some(({ value }) => Buffer.from(value).toString() === 'poison'))
        throw new AttuneError('event-log.too-large', 'it is too large');
    };
    gate.mode = 'open';
    await healed(outboxLog);
    expect(texts()).toEqual(['a', 'b']);
    expect(outboxLog.outbox.status()).toMatchObject({ refused: 1, forwarded: 2 });
    expect(errors).toEqual([expect.stringContaining('it is too large')]);
    const left = setAside();
    expect(left.includes('poison')).toBe(true);
    // It takes of the room that there is.
    expect(outboxLog.outbox.status().bytes).toBe(left.length);
    expect((await open()).outbox.status().bytes).toBe(left.length);
  });

  it('is dropped when its customer is erased', async () => {
    const outboxLog = await open('down');
    const of = (byte: number, subjectId: string): AppendRecord => ({
      topic: events,
      shard: 0,
      value: eventCodec.encode({
        id: 'e',
        source: 's',
        type: 't',
        subjectKind: 'customer',
        subjectId,
        customerKey: Buffer.alloc(16, byte),
        time: 1,
        receivedAt: 1,
        data: '{}',
      }),
    });
    await outboxLog.accept([of(1, 'erased-customer'), of(2, 'other-customer')]);
    gate.before = () => Promise.reject(new AttuneError('event-log.too-large', 'it is too large'));
    gate.mode = 'open';
    await healed(outboxLog);
    expect(setAside().includes('erased-customer')).toBe(true);
    const customerKey = Buffer.alloc(16, 1);
    const erasure = erasureCodec.encode({ customerKey, erasedAt: Date.now(), shard: 0 });
    await log.append([{ topic: TOPICS.erasures, shard: 0, key: customerKey, value: erasure }]);
    const follower = outboxLog.follow([TOPICS.erasures], () => undefined);
    await follower.caughtUp;
    await follower.stop();
    for (const end = Date.now() + 5_000; setAside().includes('erased-customer') && Date.now() < end;) await delay(20);
    expect(setAside().includes('erased-customer')).toBe(false);
    expect(setAside().includes('other-customer')).toBe(true);
  });
});

describe('a log that is not there when the process starts', () => {
  it('records are accepted after a bounded wait, and forwarded when it comes', async () => {
    let there = false;
    const began = performance.now();
    const outboxLog = await open('open', {
      patienceMs: 100,
      openLog: async () => {
        if (!there) throw new EngineUnavailable('event-log', 'no broker is reachable');
        return createOwned();
      },
    });
    expect(performance.now() - began).toBeLessThan(2_000);
    await outboxLog.accept([event('early')]);
    await expect(outboxLog.read(events, 0, 0, 1)).rejects.toBeInstanceOf(EngineUnavailable);
    expect(outboxLog.outbox.status()).toMatchObject({ circuit: 'open', records: 1 });
    expect(() => outboxLog.partitions).toThrow(EngineUnavailable);
    const seen: string[] = [];
    const follower = outboxLog.follow([controls], ({ value }) => seen.push(value.toString()));
    await log.append([{ topic: controls, shard: 0, key: Buffer.from('k'), value: Buffer.from('followed') }]);
    there = true;
    await follower.caughtUp;
    await healed(outboxLog);
    expect(texts()).toEqual(['early']);
    expect(seen).toEqual(['followed']);
    await follower.stop();
    await outboxLog.close();

    // The next one knows the log, although it is away again.
    const next = await open('open', { patienceMs: 50, openLog: () => Promise.reject(new EngineUnavailable('event-log', 'away')) });
    expect([next.epoch, next.partitions]).toEqual([log.epoch, log.partitions]);
    expect(next.outbox.remembersTopics()).toBe(true);
    const remembered: string[] = [];
    await next.follow([controls], ({ value }) => remembered.push(value.toString())).stop();
    expect(remembered).toEqual(['followed']);
  });

  it('an opening that hangs does not hold up the start, nor the end', async () => {
    const outboxLog = await open('open', { patienceMs: 50, openLog: () => new Promise(() => undefined) });
    await outboxLog.accept([event('kept')]);
    const began = performance.now();
    await outboxLog.close();
    expect(performance.now() - began).toBeLessThan(6_000);
    const next = await open();
    await healed(next);
    expect(texts()).toEqual(['kept']);
  });

  it('a fault that time does not cure stops the start', async () => {
    const wrong = new AttuneError('event-log.not-prepared', 'run attune doctor --fix');
    await expect(open('open', { openLog: () => Promise.reject(wrong) })).rejects.toBe(wrong);
  });
});
