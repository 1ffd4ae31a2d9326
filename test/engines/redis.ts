/** Redis on loopback, from Debian's package: one server, or three masters as a Redis Cluster. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import { startChild, type Child } from './child.ts';

const run = promisify(execFile);

export interface RedisUnderTest {
  /** redis://127.0.0.1:port; of a cluster the first node's, the others after commas. */
  readonly url: string;
  readonly ports: readonly number[];
  /** Of the files; each server's append-only file in `aof-<index>`. */
  readonly dir: string;
  kill(index?: number): Promise<void>;
  /**
   * The machine dies, not only the server: the append-only file ends where it was `loseMs` ago, as what was not yet forced to the disk
   * is gone. Returns how many bytes of commands were lost.
   */
  crash(loseMs: number, index?: number): Promise<number>;
  /** Again, with what its files hold. */
  start(index?: number): Promise<void>;
  pause(index?: number): void;
  resume(index?: number): void;
  /** Ends the servers and deletes their files. */
  stop(): Promise<void>;
}

/** Null: it can be started here; else what is missing. */
export const redisIsMissing = async (): Promise<string | null> =>
  (await run('redis-server', ['--version']).catch(() => null)) === null ? 'redis-server (Debian: apt-get install redis-server)' : null;

export interface RedisOptions {
  /** Default 1; more make a Redis Cluster of as many masters. */
  readonly masters?: number;
  /** Default true: append-only file, written to the disk every second. */
  readonly aof?: boolean;
  readonly args?: readonly string[];
}

export const startRedis = async ({ masters = 1, aof = true, args = [] }: RedisOptions = {}): Promise<RedisUnderTest> => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-redis-'));
  const ports = await Promise.all(Array.from({ length: masters }, () => clusterablePort()));
  const children: (Child | null)[] = ports.map(() => null);
  const start = async (index = 0): Promise<void> => {
    const cluster =
      masters > 1 ? ['--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${index}.conf`, '--cluster-node-timeout', '2000'] : [];
    children[index] = await startChild({
      command: 'redis-server',
      cwd: dir,
      port: ports[index]!,
      args: [
        '--port',
        String(ports[index]),
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--dir',
        dir,
        '--appendonly',
        aof ? 'yes' : 'no',
        '--appenddirname',
        `aof-${index}`,
        '--appendfsync',
        'everysec',
        ...cluster,
        ...args,
      ],
    });
  };
  try {
    await Promise.all(ports.map((_, index) => start(index)));
    if (masters > 1) await formCluster(ports);
  } catch (error) {
    await Promise.all(children.flatMap((child) => (child === null ? [] : [child.kill()])));
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  const sizesOf = (index: number): [string, number][] => {
    const folder = join(dir, `aof-${index}`);
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((name): [string, number][] => {
      const stat = name.endsWith('.incr.aof') ? statSync(join(folder, name), { throwIfNoEntry: false }) : undefined;
      return stat === undefined ? [] : [[name, stat.size]];
    });
  };
  const history: { readonly atMs: number; readonly name: string; readonly size: number }[] = [];
  const sampling = setInterval(() => {
    const atMs = Date.now();
    while ((history[0]?.atMs ?? atMs) < atMs - 10_000) history.shift();
    ports.forEach((_, index) => history.push(...sizesOf(index).map(([name, size]) => ({ atMs, name, size }))));
  }, 100);
  sampling.unref();
  return {
    url: ports.map((port) => `redis://127.0.0.1:${port}`).join(','),
    ports,
    dir,
    async kill(index = 0) {
      await children[index]?.kill();
    },
    async crash(loseMs, index = 0) {
      const cutMs = Date.now() - loseMs;
      await children[index]?.kill();
      let lost = 0;
      for (const [file, size] of sizesOf(index)) {
        const then = history.toReversed().find(({ atMs, name }) => name === file && atMs <= cutMs);
        // A file that is younger than that began by a rewrite, which was forced to the disk.
        if (then === undefined || then.size >= size) continue;
        truncateSync(join(dir, `aof-${index}`, file), then.size);
        lost += size - then.size;
      }
      return lost;
    },
    start,
    pause: (index = 0) => children[index]?.pause(),
    resume: (index = 0) => children[index]?.resume(),
    async stop() {
      clearInterval(sampling);
      await Promise.all(children.flatMap((child) => (child === null ? [] : [child.kill()])));
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** The cluster's bus listens at the port plus 10,000. */
const clusterablePort = async (): Promise<number> => {
  for (;;) {
    const port = await freePort();
    if (port < 55_000) return port;
  }
};

const formCluster = async (ports: readonly number[]): Promise<void> => {
  await run('redis-cli', ['--cluster', 'create', ...ports.map((port) => `127.0.0.1:${port}`), '--cluster-replicas', '0', '--cluster-yes']);
  for (const end = Date.now() + 20_000; ;) {
    const states = await Promise.all(ports.map((port) => run('redis-cli', ['-p', String(port), 'cluster', 'info'])));
    if (states.every(({ stdout }) => stdout.includes('cluster_state:ok'))) return;
    if (Date.now() > end) throw new Error('the Redis Cluster did not form');
    await delay(100);
  }
};
