/** `attune serve --workers N` as real processes: one port, one worker killed under load, the others answer; drained together. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddedEnv } from './embedded-env.ts';
import { freePort } from './free-port.ts';
import { untilReady } from './system.ts';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const CONNECTIONS = 8;
const REQUESTS_OF_A_CONNECTION = 25;

const dataDir = mkdtempSync(join(tmpdir(), 'attune-workers-'));
let port: number;
let url: string;
let primary: ChildProcess;
let output = '';

beforeAll(async () => {
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
  primary = spawn(process.execPath, [ENTRY, 'serve', '--workers', '2'], {
    env: { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [primary.stdout!, primary.stderr!]) stream.on('data', (text: Buffer) => (output += text.toString()));
  await untilReady(url, primary);
}, 90_000);
afterAll(async () => {
  if (primary.exitCode === null) primary.kill('SIGKILL');
  await delay(500);
  rmSync(dataDir, { recursive: true, force: true });
});

/** Process ids by slot. */
const workers = (): ReadonlyMap<number, number> =>
  new Map(
    execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(\d+)\s.*--worker (\d+)\s*$/.exec(line))
      .filter((match) => match !== null && Number(match[2]) === primary.pid)
      .map((match) => [Number(match![3]), Number(match![1])]),
  );

/** One kept-alive connection, as a channel's client has it. */
const decideOn = (agent: Agent, customerId: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({ customerId, channel: 'app', limit: 1 });
    const asked = request(`${url}/v1/decisions`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode!));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.setTimeout(10_000, () => asked.destroy(Object.assign(new Error('no answer'), { code: 'HUNG' })));
    asked.end(body);
  });

interface Load {
  readonly statuses: Map<number, number>;
  readonly died: string[];
  stop(): Promise<void>;
}

const startLoad = (): Load => {
  const statuses = new Map<number, number>();
  const died: string[] = [];
  const ending = new AbortController();
  const client = async (number: number): Promise<void> => {
    let agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; !ending.signal.aborted; i++) {
      if (i % REQUESTS_OF_A_CONNECTION === 0) {
        agent.destroy();
        agent = new Agent({ keepAlive: true, maxSockets: 1 });
      }
      try {
        const status = await decideOn(agent, `load-${number}-${i}`);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      } catch (error) {
        died.push((error as NodeJS.ErrnoException).code ?? String(error));
      }
      await delay(5);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: CONNECTIONS }, (_, i) => client(i));
  return {
    statuses,
    died,
    async stop() {
      ending.abort();
      await Promise.all(clients);
    },
  };
};

const metric = async (name: string): Promise<ReadonlyMap<string, number>> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .map((line) => [/worker="(\d+)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]),
  );
};

describe('several workers behind one port', () => {
  test('each takes its share, and /metrics of whichever tells those of all', async () => {
    await expect.poll(() => metric('attune_workers_ready').then((found) => found.get('')), { timeout: 60_000 }).toBe(2);
    const load = startLoad();
    await expect
      .poll(async () => [...(await metric('attune_decision_seconds_count')).values()].every((count) => count > 20), { timeout: 30_000 })
      .toBe(true);
    await load.stop();
    expect([...load.statuses.keys()]).toEqual([201]);
    expect(load.died).toEqual([]);
    expect([...(await metric('attune_decision_seconds_count')).keys()].toSorted()).toEqual(['1', '2']);
    const counted = [...(await metric('attune_decision_seconds_count')).values()].reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(load.statuses.get(201));
  });

  test(
    'kill -9 of a worker fails no request but those whose connection died with it, and it is back at once',
    { timeout: 90_000 },
    async () => {
      const load = startLoad();
      await delay(500);
      const before = workers();
      process.kill(before.get(1)!, 'SIGKILL');
      const killedMs = performance.now();
      let answered = 0;
      await expect
        .poll(() => {
          const now = load.statuses.get(201) ?? 0;
          const more = now > answered;
          answered = now;
          return more && workers().get(1) !== undefined && workers().get(1) !== before.get(1);
        })
        .toBe(true);
      await expect.poll(() => metric('attune_workers_ready').then((found) => found.get('')), { timeout: 60_000 }).toBe(2);
      console.log(`a killed worker was replaced, warm, after ${Math.round(performance.now() - killedMs)} ms`);
      await load.stop();
      expect([...load.statuses.keys()]).toEqual([201]);
      // Those of its connections that had a request under way or sent one before they knew; each was opened again and went on.
      expect(load.died.length).toBeLessThanOrEqual(CONNECTIONS);
      expect(load.died.filter((code) => code !== 'ECONNRESET' && code !== 'EPIPE')).toEqual([]);
      expect(workers().get(2)).toBe(before.get(2));
      expect((await metric('attune_worker_restarts_total')).get('')).toBe(1);
    },
  );

  test('SIGTERM drains: what is in hand is answered, and all are gone', { timeout: 60_000 }, async () => {
    const load = startLoad();
    await delay(300);
    const gone = once(primary, 'exit');
    primary.kill('SIGTERM');
    const [code] = (await gone) as [number | null];
    await load.stop();
    expect(code, output).toBe(0);
    expect([...load.statuses.keys()]).toEqual([201]);
    expect(load.died.filter((died) => died !== 'ECONNREFUSED' && died !== 'ECONNRESET')).toEqual([]);
    expect(workers().size).toBe(0);
  });
});

test('a fault of the configuration is told once, and ends the start', { timeout: 60_000 }, async () => {
  const refused = spawn(process.execPath, [ENTRY, 'serve', '--workers', '3'], {
    env: { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_PORT: '0', ATTUNE_HOST: '0.0.0.0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [refused.stdout, refused.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  const [code] = (await once(refused, 'exit')) as [number | null];
  expect(code).toBe(78);
  expect(said.match(/ATTUNE_API_KEYS is empty/g)).toHaveLength(1);
});
