/** What is accepted: safe at once, in the log soon, once, in order; and nothing of it stays behind in a journal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMPACTED_TOPICS, TOPICS } from '#contracts';
import type { AppendRecord, LogRecord } from '../port.ts';
import { decodeEntries, encodeEntry } from './journal-entry.ts';
import { Journal, journalFileName } from './journal.ts';
import { ALL_TOPICS } from './layout.ts';
import { openLmdbLog, type LmdbEventLog } from './open-lmdb-log.ts';

const { events } = TOPICS;
const event = (text: string, shard = 0): AppendRecord => ({ topic: events, shard, value: Buffer.from(text) });

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'attune-journal-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('entries of a journal', () => {
  const entry = fc.record({
    number: fc.integer({ min: 1, max: 2 ** 48 }),
    acceptedAtMs: fc.integer({ min: 0, max: 2 ** 42 }),
    records: fc.array(
      fc.record(
        {
          topic: fc.constantFrom(...ALL_TOPICS),
          shard: fc.integer({ min: 0, max: 0xffff }),
          key: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
          value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        },
        { requiredKeys: ['topic', 'shard', 'value'] },
      ),
      { minLength: 1, maxLength: 5 },
    ),
  });

  it('come back as they were, and a file cut or altered anywhere gives the whole ones before that', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.nat(), (entries, anywhere) => {
        const parts = entries.map(encodeEntry);
        const file = Buffer.concat(parts);
        expect(decodeEntries(file)).toEqual(entries);
        const at = anywhere % file.length;
        let whole = 0;
        for (let end = parts[0]!.length; end <= at; end += parts[whole]!.length) whole += 1;
        expect(decodeEntries(file.subarray(0, at))).toEqual(entries.slice(0, whole));
        const altered = Buffer.from(file);
        altered[at]! ^= 0x40;
        expect(decodeEntries(altered)).toEqual(entries.slice(0, whole));
      }),
      { seed: 41, numRuns: 200 },
    );
  });
});

describe('a log that accepts', { timeout: 60_000 }, () => {
  let log: LmdbEventLog;

  beforeEach(async () => {
    log = await openLmdbLog({ dir });
  });

  afterEach(() => log.close());

  function all(): LogRecord[] {
    return Array.from({ length: log.partitions }, (_, partition) => log.readNow(events, partition, 0, 1_000_000)).flat();
  }

  const texts = (): string[] => all().map(({ value }) => value.toString());
  const journals = (): string[] => readdirSync(join(dir, 'journals'));

  it('shows what was accepted in the order of sending, before what is appended afterwards', async () => {
    await log.accept!([event('1'), event('2')]);
    const third = log.append([event('3')]);
    await log.accept!([event('4')]);
    await third;
    await log.append([]);
    expect(texts()).toEqual(['1', '2', '3', '4']);
  });

  it('shows it soon without being asked, with the time of its acceptance', async () => {
    const before = Date.now();
    await log.accept!([event('soon')]);
    const after = Date.now();
    await until(() => texts().length === 1);
    expect(all()[0]!.timestampMs).toBeGreaterThanOrEqual(before);
    expect(all()[0]!.timestampMs).toBeLessThanOrEqual(after);
  });

  it('refuses what append refuses', async () => {
    await expect(log.accept!([{ topic: events, shard: -1, value: Buffer.alloc(1) }])).rejects.toThrow('shard');
    await expect(log.accept!([{ topic: COMPACTED_TOPICS[0]!, shard: 1, value: Buffer.alloc(1) }])).rejects.toThrow('needs a key');
    expect(texts()).toEqual([]);
  });

  it('keeps no byte of it in a journal two seconds later, nor after closing', async () => {
    await log.accept!([event('c-1001')]);
    expect(journals()).toHaveLength(1);
    await until(() => journals().length === 0);
    await log.accept!([event('c-1002')]);
    await log.close();
    expect(journals()).toEqual([]);
    log = await openLmdbLog({ dir });
    expect(texts()).toEqual(['c-1001', 'c-1002']);
  });

  it('takes over the journal of a dead process once, however often it is found', async () => {
    const owner = `${process.platform}-elsewhere:1`;
    const name = journalFileName({ owner, journal: 'a'.repeat(32), index: 1 });
    const entries = [1, 2, 3].map((number) => encodeEntry({ number, acceptedAtMs: Date.now(), records: [event(`left ${number}`)] }));
    const leave = (count: number): void => {
      const path = join(dir, 'journals', name);
      writeFileSync(path, Buffer.concat([...entries.slice(0, count), Buffer.from('torn')]));
      const old = new Date(Date.now() - 60_000);
      utimesSync(path, old, old);
    };
    leave(2);
    await until(() => journals().length === 0);
    expect(texts()).toEqual(['left 1', 'left 2']);
    leave(3);
    await until(() => journals().length === 0);
    expect(texts()).toEqual(['left 1', 'left 2', 'left 3']);
  });

  it('leaves a living neighbour its journal', async () => {
    const neighbour = await openLmdbLog({ dir });
    await neighbour.accept!([event('mine')]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(texts()).toEqual(['mine']);
    await neighbour.close();
    expect(texts()).toEqual(['mine']);
  });

  it('loses and doubles nothing that was acknowledged when its process is killed, and the living take it over', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      const script = fileURLToPath(new URL('test-processes/accepting.ts', import.meta.url));
      const child = spawn(process.execPath, [script, dir, `round-${round}`], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines: string[] = [];
      createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
      await until(() => lines.length > 200 + 97 * round);
      child.kill('SIGKILL');
      await once(child, 'close');
      acknowledged.push(...lines.filter((line) => /^round-\d \d+$/.test(line)).slice(0, -1));
      if (round % 2 === 0) {
        await log.close();
        log = await openLmdbLog({ dir });
      } else await until(() => journals().length === 0);
      const stored = texts();
      const known = new Set(stored);
      expect(known.size).toBe(stored.length);
      expect(acknowledged.filter((line) => !known.has(line))).toEqual([]);
    }
  });
});

describe('a journal', () => {
  it('promises nothing while LMDB is far behind, and goes on afterwards', () => {
    let nowMs = 0;
    const journal = new Journal({ dir, monotonicMs: () => nowMs });
    const first = journal.write([event('1')], 0);
    nowMs = 1_900;
    expect(journal.write([event('2')], 0)).not.toBeNull();
    nowMs = 2_001;
    expect(journal.write([event('3')], 0)).toBeNull();
    journal.flushed(first!);
    expect(journal.write([event('4')], 0)).not.toBeNull();
    journal.close();
  });

  it('leaves on closing what is not on the disk, whole and readable', () => {
    const journal = new Journal({ dir, monotonicMs: () => 0 });
    const first = journal.write([event('1')], 0);
    journal.write([event('2')], 0);
    journal.flushed(first!);
    journal.close();
    const [name] = readdirSync(dir);
    expect(decodeEntries(readFileSync(join(dir, name!))).map(({ number }) => number)).toEqual([1, 2]);
  });

  it('promises nothing when its folder is gone', () => {
    const journal = new Journal({ dir: join(dir, 'there'), monotonicMs: () => 0 });
    rmSync(join(dir, 'there'), { recursive: true });
    expect(journal.write([event('1')], 0)).toBeNull();
    journal.close();
  });
});

async function until(holds: () => boolean, withinMs = 20_000): Promise<void> {
  for (const end = Date.now() + withinMs; !holds();) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
