/** What an operator's mistake is answered with: one sentence that names the variable, and an exit code that ends restarts. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { embeddedEnv } from './embedded-env.ts';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const STACK = /^\s+at .*\.(m?js|ts):\d+/m;
const ID_KEY = 'k'.repeat(16);
const NO_KAFKA = { KAFKA_BROKERS: '127.0.0.1:1', ATTUNE_ID_KEY: ID_KEY };

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'attune-words-'));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const attune = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ readonly code: number; readonly said: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [ENTRY, ...args],
      { env: { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ...env }, timeout: 30_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), said: stdout + stderr }),
    );
  });

test.each([['up', '--demo'], ['demo']])('%s refuses engines that may hold real customers', async (...args) => {
  const { code, said } = await attune(args, NO_KAFKA);
  expect(said).toMatch(/simulated customers into the engines that KAFKA_BROKERS names; .*--no-demo.*--force/);
  expect(said).not.toMatch(STACK);
  expect(code).toBe(78);
});

test('a role warns of a variable that means nothing', async () => {
  const { said } = await attune(['pipeline', '--roles', 'none'], { KAFKA_BROKER: 'a:9092' });
  expect(said).toMatch(/"level":40.*KAFKA_BROKER is set and means nothing here/);
});
