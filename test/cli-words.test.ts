/** What an operator's mistake is answered with: one sentence that names the variable, and an exit code that ends restarts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { embeddedEnv } from './embedded-env.ts';
import { runCommand } from './engines/roles.ts';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const STACK = /^\s+at .*\.(m?js|ts):\d+/m;
const ID_KEY = 'k'.repeat(16);
const NO_KAFKA = { KAFKA_BROKERS: '127.0.0.1:1', ATTUNE_ID_KEY: ID_KEY };

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'attune-words-'));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

// Each starts a process of its own, and they wait most of their time: all are concurrent.
const attune = async (
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number | null; readonly said: string }> => {
  const { code, output } = await runCommand(args, { ATTUNE_DATA_DIR: dataDir, ...env });
  return { code, said: output };
};

test.concurrent.each([['up', '--demo'], ['demo']])('%s refuses engines that may hold real customers', async (...args) => {
  const { code, said } = await attune(args, NO_KAFKA);
  expect(said).toMatch(/simulated customers into the engines that KAFKA_BROKERS names; .*--no-demo.*--force/);
  expect(said).not.toMatch(STACK);
  expect(code).toBe(78);
});

test.concurrent('a role warns of a variable that means nothing', async () => {
  const { said } = await attune(['pipeline', '--roles', 'none'], { KAFKA_BROKER: 'a:9092' });
  expect(said).toMatch(/"level":40.*KAFKA_BROKER is set and means nothing here/);
});

test.concurrent.each([
  ['ATTUNE_PORT', ['serve']],
  ['ATTUNE_PORT', ['serve', '--workers', '2']],
  ['ATTUNE_PIPELINE_PORT', ['pipeline']],
  ['ATTUNE_WAREHOUSE_PORT', ['up', '--no-demo']],
] as const)('a taken %s ends %j', async (variable, args) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const port = String((holder.address() as AddressInfo).port);
  try {
    const { code, said } = await attune(args, { ATTUNE_PORT: '0', ATTUNE_WAREHOUSE_PORT: '0', [variable]: port });
    expect(said.match(new RegExp(`port ${port} of 127.0.0.1 is taken by another process; ${variable} names another`, 'g'))).toHaveLength(1);
    expect(said).not.toMatch(/EADDRINUSE/);
    expect(code).toBe(78);
  } finally {
    holder.close();
  }
});

test.concurrent.each([['snapshot'], ['dead-letters']])('%s without Kafka can be tried again, and says so', async (...args) => {
  const { code, said } = await attune(args, NO_KAFKA);
  expect(said).toMatch(/Kafka/);
  expect(said).not.toMatch(STACK);
  expect(code).toBe(1);
});

test.concurrent('import waits for Kafka', async ({ expect }) => {
  const file = join(dataDir, 'rows.csv');
  writeFileSync(file, 'customerId,plan\nc-1,basic\n');
  const env = { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ...NO_KAFKA };
  const importing = spawn(process.execPath, [ENTRY, 'import', file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  importing.stdout.on('data', (text: Buffer) => (said += text.toString()));
  try {
    await expect.poll(() => said, { timeout: 60_000 }).toMatch(/Kafka.*Trying again in 500 ms/);
    expect(importing.exitCode).toBeNull();
  } finally {
    importing.kill('SIGKILL');
  }
});

test.concurrent.each([
  ['a role without --roles', ['pipeline', 'state'], {}, /Unexpected argument 'state'/],
  ['a map that is not there', ['import', 'FILE', '--map', '/nowhere/map.yaml'], {}, /--map: \/nowhere\/map\.yaml cannot be read: ENOENT/],
  ['a data directory under a file', ['serve'], { ATTUNE_DATA_DIR: '/etc/passwd/x' }, /ATTUNE_DATA_DIR names \/etc\/passwd\/x.*ENOTDIR/],
] as const)('%s is told in a sentence', async (_, args, env, sentence) => {
  const file = join(dataDir, 'few.csv');
  writeFileSync(file, 'customerId,plan\nc-1,basic\n');
  const { code, said } = await attune(
    args.map((arg) => (arg === 'FILE' ? file : arg)),
    env,
  );
  expect(said).toMatch(sentence);
  expect(said).not.toMatch(/\n\s+at |\\n\s+at |"stack"/);
  expect(code).toBe(78);
});

test.concurrent('the doctor sees that a data directory cannot be under a file', async () => {
  const { code, said } = await attune(['doctor'], { ATTUNE_DATA_DIR: '/etc/passwd/x' });
  expect(said).toMatch(/✗ data directory \/etc\/passwd\/x can be written: \/etc\/passwd is no directory/);
  expect(code).toBe(1);
});

test.concurrent('the doctor does not repeat a malformed URL, which may hold a password', async () => {
  const { code, said } = await attune(['doctor'], { CLICKHOUSE_URL: 'http://me:hush:z' });
  expect(said).toMatch(/^ {2}CLICKHOUSE_URL is no URL/m);
  expect(said).not.toMatch(/hush|\n\s+at /);
  expect(code).toBe(78);
});
