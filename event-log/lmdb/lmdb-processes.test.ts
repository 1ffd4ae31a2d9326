import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOPICS } from '#contracts';
import type { LogRecord } from '../port.ts';
import { openLmdbLog, type LmdbEventLog } from './open-lmdb-log.ts';

const { events } = TOPICS;
const SCRIPTS = {
  appending: new URL('test-processes/appending.ts', import.meta.url),
  consuming: new URL('test-processes/consuming.ts', import.meta.url),
};

describe('the LMDB log among processes', { timeout: 60_000 }, () => {
  let dir: string;
  let log: LmdbEventLog;
  let processes: ChildProcess[];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'attune-log-'));
    log = await openLmdbLog({ dir });
    processes = [];
  });

  afterEach(async () => {
    await Promise.all(processes.map(kill));
    await log.close();
    await rm(dir, { recursive: true });
  });

  function start(script: keyof typeof SCRIPTS, ...args: string[]): { child: ChildProcess; lines: string[] } {
    const child = spawn(process.execPath, [fileURLToPath(SCRIPTS[script]), dir, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    processes.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    return { child, lines };
  }

  function all(): LogRecord[] {
    return Array.from({ length: log.partitions }, (_, partition) => log.readNow(events, partition, 0, 1_000_000)).flat();
  }

  it('several appending processes share offsets without a gap or a double', async () => {
    const appenders = ['a', 'b', 'c'].map((name) => start('appending', name, '2000'));
    await Promise.all(appenders.map(({ child }) => once(child, 'close')));
    const printed = appenders.flatMap(({ lines }) => lines);
    expect(printed).toHaveLength(6_000);
    const stored = all().map(({ partition, offset, value }) => `${partition} ${offset} ${value.toString()}`);
    expect(stored.toSorted()).toEqual(printed.toSorted());
    for (let partition = 0; partition < log.partitions; partition += 1)
      expect(log.readNow(events, partition, 0, 10_000).map(({ offset }) => offset)).toEqual(
        Array.from({ length: 750 }, (_, index) => index),
      );
  });

  it('no acknowledged record is lost when its process is killed, and the others go on', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { child, lines } = start('appending', `round-${round}`, '10000000');
      await until(() => lines.length > 300 + 100 * round);
      await kill(child);
      const stored = new Set(all().map(({ partition, offset, value }) => `${partition} ${offset} ${value.toString()}`));
      expect(lines.slice(0, -1).filter((line) => !stored.has(line))).toEqual([]);
      await log.append([{ topic: events, shard: round, value: Buffer.from('still writable') }]);
    }
  });

  it('partitions of a killed consumer are taken over at the next heartbeat, and no record is missed', async () => {
    const consumers = [start('consuming', 'g'), start('consuming', 'g')];
    let appended = 0;
    const append = async (): Promise<void> => {
      await log.append(Array.from({ length: 8 }, (_, shard) => ({ topic: events, shard, value: Buffer.from(`${(appended += 1)}`) })));
    };
    await until(async () => {
      await append();
      return consumers.every(({ lines }) => lines.length > 1);
    });
    await kill(consumers[0]!.child);
    const killedAt = Date.now();
    await append();
    const seen = (): Set<string> => new Set(consumers.flatMap(({ lines }) => lines.filter((line) => line !== 'ready')));
    await until(() => seen().size === appended);
    expect(Date.now() - killedAt).toBeLessThan(2_500);
    await until(async () => (await log.lag('g', [events])) === 0);
  });

  it('a consumer that hangs loses its partitions when its lease ends, and its late commits change nothing', async () => {
    const hung = start('consuming', 'g');
    await log.append(Array.from({ length: 8 }, (_, shard) => ({ topic: events, shard, value: Buffer.from('before') })));
    await until(() => hung.lines.length === 9);
    await until(async () => (await log.lag('g', [events])) === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    hung.child.kill('SIGSTOP');
    const seen: string[] = [];
    log.consume({
      group: 'g',
      topics: [events],
      onBatch: async ({ records }) => void seen.push(...records.map(({ value }) => String(value))),
    });
    await log.append(Array.from({ length: 8 }, (_, shard) => ({ topic: events, shard, value: Buffer.from('after') })));
    await until(() => seen.filter((text) => text === 'after').length === 8);
    hung.child.kill('SIGCONT');
    await until(async () => (await log.lag('g', [events])) === 0);
  });

  it('a full disk refuses appends clearly, and keeps what was acknowledged', async () => {
    const path = fileURLToPath(new URL('test-processes/filling.ts', import.meta.url));
    const child = spawn('bash', ['-c', 'ulimit -f 3000; exec "$0" "$@"', process.execPath, path, dir], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    processes.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await once(child, 'close');
    const { acknowledged, codes } = JSON.parse(lines[0]!) as { acknowledged: number; codes: string[] };
    expect(codes).toEqual(['event-log.unavailable']);
    expect(acknowledged).toBeGreaterThan(0);
    expect(all().length).toBeGreaterThanOrEqual(acknowledged);
    await log.append([{ topic: events, shard: 0, value: Buffer.from('room again') }]);
  });

  it('a reader that was killed in its sleep pins no pages: the file does not grow while old records go', async () => {
    const victim = start('consuming', 'victim');
    await until(() => victim.lines.includes('ready'));
    await log.append([{ topic: events, shard: 0, value: Buffer.from('x') }]);
    await until(() => victim.lines.length > 1);
    await kill(victim.child);
    expect(await growth()).toBeLessThan(1.5);
  });

  it('a reader that hangs between its reads pins no pages either', async () => {
    const victim = start('consuming', 'victim');
    await until(() => victim.lines.includes('ready'));
    await log.append([{ topic: events, shard: 0, value: Buffer.from('x') }]);
    await until(() => victim.lines.length > 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    victim.child.kill('SIGSTOP');
    expect(await growth()).toBeLessThan(1.5);
  });

  it('retention frees pages that later records use again', async () => {
    expect(await growth()).toBeLessThan(1.5);
  });

  /** How many times larger the file is after 40 rounds of appending and dropping than after 10. */
  async function growth(): Promise<number> {
    const sizes: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      const records = Array.from({ length: 2_000 }, (_, index) => ({
        topic: events,
        shard: index,
        value: Buffer.alloc(50 + ((index * 37) % 900), round),
      }));
      await Promise.all(Array.from({ length: 20 }, (_, part) => log.append(records.slice(part * 100, part * 100 + 100))));
      await log.retain({ nowMs: Date.now() + 1_000, maxAgeMs: 0, requiredGroups: [] });
      sizes.push((await stat(join(dir, 'records', 'data.mdb'))).size);
    }
    return sizes[39]! / sizes[9]!;
  }
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('What was awaited did not happen in time.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
