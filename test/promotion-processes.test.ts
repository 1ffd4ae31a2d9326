/** Promotion with real processes: two API workers and a learner under load; every worker follows within 2 s, no request is dropped, and whoever stepped back goes on learning. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLmdbLog, type EventLog } from '#event-log';
import { openLmdbFeatureStore, type FeatureStore } from '#feature-store';
import { compileEncoder, createLearner } from '#models';
import { publishVersion } from '#pipeline';
import { loadProject } from '#project';
import { CATALOG_DIR } from '../serving/test-serving.ts';
import { embeddedEnv } from './embedded-env.ts';
import { freePort } from './free-port.ts';
import { untilReady } from './system.ts';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const CLIENTS = 8;
const WITHIN_MS = 2_000;

const dataDir = mkdtempSync(join(tmpdir(), 'attune-promotion-'));
const children: ChildProcess[] = [];
let url: string;
let log: EventLog;
let store: FeatureStore;

const attune = (port: number, ...args: string[]): ChildProcess => {
  const env = { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_PORT: String(port), ATTUNE_SHADOW_SHARE: '1' };
  const child = spawn(process.execPath, [ENTRY, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.resume();
  children.push(child);
  return child;
};

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  attune(port, 'pipeline', '--roles', 'state,learn');
  await untilReady(url, attune(port, 'serve', '--workers', '2'));
  log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
  store = await openLmdbFeatureStore({ dir: join(dataDir, 'feature-store'), partitions: 8 });
}, 90_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await log?.close();
  await store?.close();
  await delay(500);
  rmSync(dataDir, { recursive: true, force: true });
});

const post = async (path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> => {
  // Each on a connection of its own: they reach both workers.
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
interface Model {
  readonly version: string;
  readonly role: string;
  readonly snapshot: number;
  readonly experiences: number;
}
const models = async (): Promise<readonly Model[]> => {
  const response = await fetch(`${url}/v1/models`, { headers: { connection: 'close' } });
  return ((await response.json()) as { models: readonly Model[] }).models;
};
const by = { actor: 'ana', reason: 'a test of processes' };

test('a promotion and a rollback reach every worker within 2 s, drop nothing, and the one that stepped back goes on learning', async () => {
  const learner = createLearner({ loop: '', encoder: compileEncoder(loadProject(CATALOG_DIR)), seed: 99 });
  await publishVersion(
    { log, blobs: store.blobs, clock: Date.now },
    {
      loop: '',
      version: learner.version,
      versionBlob: learner.versionBlob,
      posterior: learner.checkpoint(),
      posteriorUntilMs: 0,
      experiences: 0,
      report: null,
      note: 'a test',
    },
  );
  const challenger = learner.version;
  await expect
    .poll(async () => (await models()).find(({ version }) => version === challenger)?.snapshot ?? 0, { timeout: 30_000 })
    .toBeGreaterThan(0);
  const champion = (await models()).find(({ role }) => role === 'champion')!.version;

  const answers: { readonly status: number; readonly version: unknown; readonly sentMs: number }[] = [];
  const load = new AbortController();
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let i = 0; !load.signal.aborted; i++) {
      const sentMs = performance.now();
      const { status, body } = await post('/v1/decisions', { customerId: `p-${client}-${i % 40}`, channel: 'app', limit: 1 });
      answers.push({ status, version: body['modelVersion'], sentMs });
      const shown = (body['actions'] as { actionId: string }[])[0];
      if (shown !== undefined && i % 3 === 0)
        await post('/v1/outcomes', {
          decisionId: body['decisionId'],
          actionId: shown.actionId,
          outcome: i % 2 === 0 ? 'accepted' : 'impression',
        });
      await delay(5);
    }
  });
  try {
    await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThan(50);
    const changes: { readonly version: string; readonly askedMs: number }[] = [];
    for (const [version, path, body] of [
      [challenger, `/v1/models/${challenger}/promote`, { ...by, force: true }],
      [champion, '/v1/models/rollback', by],
      [challenger, `/v1/models/${challenger}/promote`, { ...by, force: true }],
      [champion, '/v1/models/rollback', by],
    ] as const) {
      const askedMs = performance.now();
      const changed = await post(path, body);
      expect(changed.status, JSON.stringify(changed.body)).toBe(200);
      changes.push({ version, askedMs });
      await delay(WITHIN_MS + 700);
    }
    // It was champion for a while, and is learned on.
    const before = (await models()).find(({ version }) => version === challenger)!;
    expect(before.role).toBe('previous');
    await expect
      .poll(async () => (await models()).find(({ version }) => version === challenger)!.experiences, { timeout: 20_000 })
      .toBeGreaterThan(before.experiences);
    load.abort();
    await Promise.all(clients);

    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    const lags = changes.map(({ version, askedMs }, i) => {
      const untilMs = changes[i + 1]?.askedMs ?? Infinity;
      const after = answers.filter(({ sentMs }) => sentMs >= askedMs && sentMs < untilMs);
      const stale = after.filter((answer) => answer.version !== version);
      expect(after.length).toBeGreaterThan(stale.length);
      return Math.max(0, ...stale.map(({ sentMs }) => sentMs - askedMs));
    });
    console.log(
      `${answers.length} decisions; the last one by the former champion was asked ${lags.map((ms) => Math.round(ms)).join(', ')} ms after the change was`,
    );
    for (const lag of lags) expect(lag).toBeLessThan(WITHIN_MS);
  } finally {
    load.abort();
    await Promise.allSettled(clients);
  }
});
