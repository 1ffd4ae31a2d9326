/** `attune snapshot` and `attune rebuild` on a running system: decisions go on, what is broken off is made good, and the customers are the same afterwards. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openLmdbFeatureStore } from '#feature-store';
import { embeddedEnv } from './embedded-env.ts';
import { freePort } from './free-port.ts';
import { createSend, type Send } from './send.ts';
import { startSystem } from './system.ts';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const CUSTOMERS = Array.from({ length: 25 }, (_, i) => `c-${i}`);
const run = promisify(execFile);

interface Answer {
  readonly decisionId: string;
  readonly degraded: readonly string[] | null;
  readonly actions: readonly { readonly actionId: string }[];
}

const live = async (send: Send, round: number): Promise<void> => {
  const events = CUSTOMERS.map((subject) => ({
    specversion: '1.0',
    id: `e-${subject}-${round}`,
    source: '/rebuild',
    type: round % 2 === 0 ? 'customer.updated' : 'usage.recorded',
    subject,
    data:
      round % 2 === 0 ? { plan: 'basic', tenureMonths: round, consentMarketing: true, name: `Name of ${subject}` } : { dataMb: 10 * round },
  }));
  await send('POST', '/v1/events', events);
  for (const customerId of CUSTOMERS) {
    const { decisionId, actions } = await send<Answer>('POST', '/v1/decisions', { customerId, channel: 'app', limit: 1 });
    if (actions[0] === undefined) continue;
    await send('POST', '/v1/outcomes', { decisionId, actionId: actions[0].actionId, outcome: 'clicked', outcomeId: `${decisionId}-o` });
  }
};

test('the store is rebuilt under a running system', { timeout: 300_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-rebuild-'));
  const env = { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_LOG_LEVEL: 'info' };
  const attune = async (...args: string[]): Promise<string> => (await run(process.execPath, [ENTRY, ...args], { env })).stdout;
  const system = await startSystem({ dataDir, port: await freePort(), warehousePort: await freePort() });
  const send = createSend(system.url);
  const decide = (): Promise<Answer> => send<Answer>('POST', '/v1/decisions', { customerId: 'nobody-yet', channel: 'app', limit: 1 });
  /** Features fade with time; what is counted and known does not. */
  const customer = async (id: string): Promise<unknown> => {
    const { attributes, contacts } = await send<{ attributes: object; contacts: object[] }>('GET', `/v1/customers/${id}`);
    return { attributes, contacts };
  };
  const everyone = async (): Promise<unknown[]> => Promise.all(CUSTOMERS.map((id) => customer(id)));
  try {
    await live(send, 0);
    await live(send, 1);
    await delay(1_500);
    expect(await attune('snapshot')).toMatch(/customers' states are in /);
    await live(send, 2);
    await live(send, 3);
    await delay(1_500);
    const before = await everyone();

    const broken = spawn(process.execPath, [ENTRY, 'rebuild'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const gone = once(broken, 'exit');
    createInterface({ input: broken.stdout }).on('line', (line) => {
      if (line.includes('emptying the store')) broken.kill('SIGKILL');
    });
    await expect.poll(async () => (await decide()).degraded, { timeout: 15_000 }).toContain('rebuild');
    await gone;
    await delay(1_500);
    expect((await decide()).degraded).toContain('rebuild');

    // The dead process's lease ends first; on a slow machine it has ended by now.
    const soon = await attune('rebuild').catch((error: Error) => error.message);
    expect(soon).toMatch(/another rebuild is under way|rebuilt in/);
    if (!soon.includes('rebuilt in')) {
      await endOfLease(dataDir);
      expect(await attune('rebuild')).toMatch(/rebuilt in/);
    }
    await expect.poll(async () => (await decide()).degraded ?? [], { timeout: 15_000 }).not.toContain('rebuild');
    expect(await everyone()).toEqual(before);
    await live(send, 5);
    await delay(1_500);
    expect(await customer('c-1')).not.toEqual(before[1]);

    await send('DELETE', '/v1/customers/c-7');
    await expect.poll(() => namesIn(join(dataDir, 'snapshots')), { timeout: 30_000 }).not.toContain('Name of c-7');
    expect(namesIn(join(dataDir, 'snapshots'))).toContain('Name of c-9');
    expect(await attune('rebuild', '--from-log')).toMatch(/rebuilt in/);
    await delay(1_500);
    expect((await fetch(`${system.url}/v1/customers/c-7`)).status).toBe(404);
    expect(await customer('c-9')).toMatchObject({ attributes: { name: 'Name of c-9' } });
  } finally {
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

const endOfLease = async (dataDir: string): Promise<void> => {
  const store = await openLmdbFeatureStore({ dir: join(dataDir, 'feature-store'), partitions: 8 });
  await expect.poll(() => store.leases.holder('rebuild'), { timeout: 60_000, interval: 200 }).toBeNull();
  await store.close();
};

/** Names that the chunks of all snapshots hold. */
const namesIn = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.chunk'))
    .flatMap((name) => {
      const bytes = readFileSync(join(root, name));
      const body = bytes.subarray(9 + 18 * bytes.readUInt32BE(5), -32);
      return (
        zstdDecompressSync(body)
          .toString('latin1')
          .match(/Name of c-\d+/g) ?? []
      );
    });
