/** The system under fault: `attune up` in a data directory of its own, whose children can be killed by role. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { embeddedEnv } from './embedded-env.ts';

export type Role = 'serve' | 'pipeline' | 'warehouse';

const ENTRY = fileURLToPath(new URL('../cli/attune.mjs', import.meta.url));
const START_MS = 60_000;

export interface System {
  /** http://127.0.0.1:port of the API; stays the same over restarts of the API. */
  readonly url: string;
  readonly warehouseUrl: string;
  /** kill -9; false when the role is not up at this moment. */
  kill(role: Role): boolean;
  /** Last lines of output, for a report of failure. */
  readonly tail: readonly string[];
  stop(): Promise<void>;
}

/** Rejects when the API is not ready within a minute. */
export const startSystem = async (options: {
  dataDir: string;
  port: number;
  warehousePort: number;
  env?: NodeJS.ProcessEnv;
}): Promise<System> => {
  const child = spawn(process.execPath, [ENTRY, 'up', '--no-demo'], {
    env: {
      ...embeddedEnv(),
      ...options.env,
      ATTUNE_DATA_DIR: options.dataDir,
      ATTUNE_PORT: String(options.port),
      ATTUNE_WAREHOUSE_PORT: String(options.warehousePort),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A caller that ends without stop() must not leave a system behind.
  const onExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('exit', () => process.removeListener('exit', onExit));
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line);
      if (tail.length > 200) tail.shift();
    });
  }
  const url = `http://127.0.0.1:${options.port}`;
  try {
    await untilReady(url, child);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`the system did not start:\n${tail.slice(-20).join('\n')}`, { cause: error });
  }
  return {
    url,
    warehouseUrl: `http://127.0.0.1:${options.warehousePort}`,
    tail,
    kill(role) {
      const pid = findPid(child.pid!, role);
      if (pid === null) return false;
      try {
        process.kill(pid, 'SIGKILL');
        return true;
      } catch {
        return false;
      }
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), 30_000);
      await gone;
      clearTimeout(forced);
    },
  };
};

export const untilReady = async (url: string, child?: ChildProcess, patienceMs = START_MS): Promise<void> => {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    if (child !== undefined && child.exitCode !== null) throw new Error(`ended with exit code ${child.exitCode}`);
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // Not there yet.
    }
    if (Date.now() > deadline) throw new Error(`${url} is not ready after ${patienceMs} ms`);
    await delay(100);
  }
};

/** The process of a role among the descendants of the supervisor. */
const findPid = (root: number, role: Role): number | null => {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, ppid, args]) => ({ pid: Number(pid), ppid: Number(ppid), args: args! }));
  const family = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const { pid, ppid } of rows) {
      if (family.has(ppid) && !family.has(pid)) {
        family.add(pid);
        grown = true;
      }
    }
  }
  const found = rows.filter(({ pid, args }) => pid !== root && family.has(pid) && args.trimEnd().split(' ').includes(role));
  return found.at(-1)?.pid ?? null;
};
