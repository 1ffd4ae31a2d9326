/** The outbox among processes: a kill -9 at any moment loses nothing that was acknowledged, and what it leaves is adopted once. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOPICS } from '#contracts';
import { openLmdbLog, type LmdbEventLog } from '../lmdb/open-lmdb-log.ts';
import { openOutboxLog } from './open-outbox-log.ts';
import type { OutboxLog } from './types.ts';

const { events } = TOPICS;
const SCRIPTS = {
  spooling: new URL('test-processes/spooling.ts', import.meta.url),
  forwarding: new URL('test-processes/forwarding.ts', import.meta.url),
  refused: new URL('test-processes/refused.ts', import.meta.url),
};

describe('the outbox among processes', { timeout: 120_000 }, () => {
  let dir: string;
  let log: LmdbEventLog;
  let processes: ChildProcess[];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'attune-outbox-'));
    log = await openLmdbLog({ dir: join(dir, 'log') });
    processes = [];
  });

  afterEach(async () => {
    await Promise.all(processes.map(kill));
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const start = (script: keyof typeof SCRIPTS, ...args: string[]): { child: ChildProcess; lines: string[] } => {
    const child = spawn(process.execPath, [fileURLToPath(SCRIPTS[script]), join(dir, 'outbox'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    return { child, lines };
  };

  const all = (): string[] =>
    Array.from({ length: log.partitions }, (_, partition) => log.readNow(events, partition, 0, 1_000_000)).flatMap((records) =>
      records.map(({ value }) => value.toString()),
    );

  const openHere = (): Promise<OutboxLog> =>
    openOutboxLog({ openLog: () => openLmdbLog({ dir: join(dir, 'log') }), dir: join(dir, 'outbox'), maxBytes: 100_000_000 });

  const segments = (): string[] => readdirSync(join(dir, 'outbox')).filter((name) => name.endsWith('.outbox'));

  it('killed while the log is away: the next processes adopt everything, each record once, in the order of its lane', async () => {
    const printed: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const { child, lines } = start('spooling', `round-${round}`);
      await until(() => lines.length > 200 + 150 * round);
      await kill(child);
      printed.push(...lines.filter((line) => /^round-\d+ \d+$/.test(line)));
    }
    const adopters = await Promise.all([openHere(), openHere(), openHere()]);
    await until(() => segments().length === 0);
    await Promise.all(adopters.map((each) => each.close()));
    const stored = all();
    expect(new Set(stored).size).toBe(stored.length);
    const inLog = new Set(stored);
    expect(printed.filter((line) => !inLog.has(line))).toEqual([]);
    for (let shard = 0; shard < 8; shard += 1) {
      const lane = log.readNow(events, shard % log.partitions, 0, 1_000_000).map(({ value }) => value.toString().split(' '));
      for (const turns of Map.groupBy(lane, ([name]) => name).values()) {
        const numbers = turns.map(([, turn]) => Number(turn));
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      }
    }
  });

  it('killed while it forwards: nothing is lost, and another brings the rest', async () => {
    const printed: string[] = [];
    const spooling = start('spooling', 'spooled');
    await until(() => spooling.lines.length > 4_000);
    await kill(spooling.child);
    printed.push(...spooling.lines.filter((line) => /^spooled \d+$/.test(line)));
    for (let round = 0; round < 3; round += 1) {
      const forwarding = start('forwarding', join(dir, 'log'), `forwarder-${round}`);
      await until(() => forwarding.lines.length > 1 + round * 40);
      await kill(forwarding.child);
      printed.push(...forwarding.lines.filter((line) => /^forwarder-\d+ \d+$/.test(line)));
    }
    const last = await openHere();
    await until(() => segments().length === 0);
    await last.close();
    const inLog = new Set(all());
    expect(printed.filter((line) => !inLog.has(line))).toEqual([]);
  });

  it('a disk that takes only a part: nothing torn stays, nothing is left open, and what was acknowledged is whole', async () => {
    // No file may grow past 16 blocks, which are 512 or 1,024 bytes, by the shell.
    const script = [process.execPath, fileURLToPath(SCRIPTS.refused), join(dir, 'outbox')];
    const said = execFileSync('sh', ['-c', 'ulimit -f 16; exec "$@"', 'sh', ...script], { encoding: 'utf8' });
    const { accepted, refused, descriptors } = JSON.parse(said) as { accepted: string[]; refused: string[]; descriptors: number[] };
    expect(accepted.length).toBeGreaterThan(3);
    expect(refused.length).toBeGreaterThan(50);
    expect(new Set(refused)).toEqual(new Set(['outbox.unwritable']));
    expect(descriptors[1]! - descriptors[0]!).toBeLessThanOrEqual(1);
    expect(segments()).toHaveLength(1);
    const last = await openHere();
    await until(() => segments().length === 0);
    await last.close();
    expect(all()).toEqual(accepted);
    expect(readdirSync(join(dir, 'outbox'))).not.toContainEqual(expect.stringMatching('refused'));
  });

  it('a living process keeps what it has written, also one that is stopped for a while', async () => {
    const { child, lines } = start('spooling', 'alive');
    await until(() => lines.length > 100);
    child.kill('SIGSTOP');
    const other = await openHere();
    await delay(1_500);
    expect(segments()).not.toEqual([]);
    expect(all()).toEqual([]);
    child.kill('SIGCONT');
    await other.close();
  });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !condition();) {
    if (Date.now() > end) throw new Error('What was awaited did not happen in time.');
    await delay(5);
  }
}
