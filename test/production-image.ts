/**
 * Builds what the Dockerfile builds, without Docker, and starts it: production dependencies only, one folder that may be written to.
 *
 * `node test/production-image.ts`; the last line is `N passed, N failed`. What only Docker can show (layers, the user, the health check's
 * schedule) is not shown.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KEY = 'a-key-of-sixteen-or-more';

interface Instruction {
  readonly name: string;
  readonly args: readonly string[];
}

const readDockerfile = (): readonly Instruction[] =>
  readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => {
      const [name = '', ...args] = line.split(/\s+/);
      return { name, args };
    });

const readIgnored = (): readonly string[] =>
  readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

/** As `COPY a b c folder` does, without what .dockerignore leaves out. */
const copy = (args: readonly string[], app: string, ignored: readonly string[]): void => {
  const to = args.at(-1)!;
  for (const from of args.slice(0, -1)) {
    const target = to.endsWith('/') ? join(app, to, from) : join(app, to);
    cpSync(join(ROOT, from), target, {
      recursive: true,
      filter: (source) => !ignored.some((pattern) => matchesGlob(relative(ROOT, source), pattern)),
    });
  }
};

const build = (app: string): void => {
  const ignored = readIgnored();
  for (const { name, args } of readDockerfile()) {
    if (name === 'COPY' && args[0]?.startsWith('--') !== true) copy(args, app, ignored);
    if (name === 'RUN' && args[0] === 'npm') execFileSync('npm', args.slice(1), { cwd: app, stdio: ['ignore', 'ignore', 'inherit'] });
    if (name === 'RUN' && args[0] === 'rm')
      execFileSync('sh', ['-c', args.join(' ')], { cwd: app, env: { ...process.env, WAREHOUSE: 'server' } });
  }
};

/** Every file with its time, to see whether a run wrote where it must not. */
const listing = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
    .map((path) => `${relative(folder, path)} ${statSync(path).mtimeMs}`)
    .join('\n');

const results = { passed: 0, failed: 0 };
const check = async (name: string, work: () => Promise<string | null> | string | null): Promise<void> => {
  const fault = await Promise.resolve()
    .then(work)
    .catch((error: unknown) => String((error as Error).stack ?? error));
  if (fault === null) results.passed++;
  else results.failed++;
  console.log(`${fault === null ? '✓' : '✗'} ${name}${fault === null ? '' : `: ${fault}`}`);
};

const dir = mkdtempSync(join(tmpdir(), 'attune-image-'));
const app = join(dir, 'app');
mkdirSync(app);
const children: ChildProcess[] = [];

/** The image's own environment, and nothing of this machine's but the way to its programs. */
const environment = async () => {
  const instructions = readDockerfile().filter(({ name }) => name === 'ENV');
  const set = Object.fromEntries(instructions.flatMap(({ args }) => args.map((arg) => arg.split('=') as [string, string])));
  const ports = { ATTUNE_PORT: String(await freePort()), ATTUNE_PIPELINE_PORT: String(await freePort()) };
  const data = { ATTUNE_DATA_DIR: join(dir, 'data'), ATTUNE_API_KEYS: `all:decide+observe+read+admin:${KEY}` };
  return { PATH: process.env['PATH'] ?? '', ...set, ...ports, ...data, ATTUNE_HOST: '127.0.0.1', ATTUNE_PIPELINE_HOST: '127.0.0.1' };
};

const attune = (args: readonly string[], env: Readonly<Record<string, string>>): string =>
  execFileSync(process.execPath, ['cli/attune.mjs', ...args], { cwd: app, env, encoding: 'utf8' });

const start = (args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess => {
  const child = spawn(process.execPath, ['cli/attune.mjs', ...args], { cwd: app, env, stdio: ['ignore', 'inherit', 'inherit'] });
  children.push(child);
  return child;
};

const answers = async (url: string, child: ChildProcess): Promise<string | null> => {
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) return `it ended with ${child.exitCode}`;
    const response = await fetch(url).catch(() => null);
    if (response?.ok === true) return null;
    await delay(100);
  }
  return `${url} does not answer`;
};

const stops = async (child: ChildProcess): Promise<string | null> => {
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0 ? null : `it ended with ${code}`;
};

try {
  console.log('building what the Dockerfile builds');
  build(app);
  const before = listing(app);
  const env = { ...(await environment()), ATTUNE_LOG_LEVEL: 'warn' };
  const instructions = readDockerfile();
  const entry = JSON.parse(instructions.find(({ name }) => name === 'ENTRYPOINT')!.args.join(' ')) as readonly string[];

  await check('it runs on Node 24, not as root, by an entry point that is there', () => {
    const bases = instructions.filter(({ name }) => name === 'FROM').map(({ args }) => args[0]);
    const user = instructions.findLast(({ name }) => name === 'USER')?.args[0];
    if (!bases.every((base) => base?.startsWith('node:24'))) return `it is based on ${bases.join(', ')}`;
    if (user === undefined || user === 'root') return 'it runs as root';
    return existsSync(join(app, entry[1]!)) ? null : `${entry.join(' ')} is not there`;
  });
  await check('no development dependency, no test and no embedded warehouse is in it', () => {
    const found = ['vitest', 'typescript', 'node', 'chdb', '@chdb'].filter((name) => existsSync(join(app, 'node_modules', name)));
    const tests = readdirSync(app, { recursive: true, encoding: 'utf8' }).filter(
      (name) => dirname(name).split('/')[0] !== 'node_modules' && name.endsWith('.test.ts'),
    );
    return found.length + tests.length === 0 ? null : [...found, ...tests].join(', ');
  });
  await check('--help answers', () => (attune(['--help'], env).includes('ATTUNE_DATA_DIR') ? null : 'it does not name its variables'));
  await check('doctor finds no fault', () => (attune(['doctor'], env).includes('✗') ? 'it does' : null));
  const serve = start(['serve'], env);
  const pipeline = start(['pipeline', '--roles', 'state,learn,record'], env);
  await check('serve answers its health', () => answers(`http://127.0.0.1:${env.ATTUNE_PORT}/readyz`, serve));
  await check('pipeline answers its health', () => answers(`http://127.0.0.1:${env.ATTUNE_PIPELINE_PORT}/healthz`, pipeline));
  await check('serve decides', async () => {
    const response = await fetch(`http://127.0.0.1:${env.ATTUNE_PORT}/v1/decisions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ customerId: 'c-1', channel: 'app', direction: 'inbound' }),
    });
    return response.status === 201 ? null : `${response.status} ${await response.text()}`;
  });
  await check('the command of the health check says the same', () => {
    const command = JSON.parse(/CMD (\["node".*\])\s*$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))![1]!) as readonly string[];
    const ask = (url: string) => execFileSync(process.execPath, command.slice(1), { env: { ...env, HEALTH_URL: url }, stdio: 'ignore' });
    ask(`http://127.0.0.1:${env.ATTUNE_PORT}/healthz`);
    try {
      ask('http://127.0.0.1:9/healthz');
    } catch {
      return null;
    }
    return 'it calls a process healthy that is not there';
  });
  await check('pipeline drains and ends at SIGTERM', () => stops(pipeline));
  await check('serve drains and ends at SIGTERM', () => stops(serve));
  await check('nothing was written outside the data directory', () => (listing(app) === before ? null : 'a file of the image changed'));
} finally {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed === 0 ? 0 : 1;
