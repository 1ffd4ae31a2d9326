/** A server process of a test: started, killed, paused, gone with the test that started it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Child {
  readonly pid: number;
  /** kill -9 */
  kill(): Promise<void>;
  /** SIGSTOP: connected, and silent. */
  pause(): void;
  resume(): void;
  /** SIGTERM, and SIGKILL after `patienceMs`, ten seconds unless said. Safe to call twice. */
  stop(patienceMs?: number): Promise<void>;
}

const START_MS = 120_000;

/** Resolves when the port takes connections; rejects with the end of the output when the process ends before that. */
export const startChild = async (options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly port: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Default 45 s. */
  readonly startMs?: number;
}): Promise<Child> => {
  const child = spawn(options.command, [...options.args], {
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const onExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('exit', () => process.removeListener('exit', onExit));
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (tail = (tail + data.toString()).slice(-4_000)));
  const failed: Error[] = [];
  child.once('error', (error) => failed.push(error));
  for (const end = Date.now() + (options.startMs ?? START_MS); !(await takesConnections(options.port));) {
    if (failed[0] !== undefined) throw failed[0];
    if (isGone(child)) throw new Error(`${options.command} ended with ${child.exitCode ?? child.signalCode}:\n${tail}`);
    if (Date.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`${options.command} takes no connections at port ${options.port}:\n${tail}`);
    }
    await delay(50);
  }
  const end = async (signal: NodeJS.Signals, patienceMs = 10_000): Promise<void> => {
    if (isGone(child)) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const forced = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await gone;
    clearTimeout(forced);
  };
  return {
    pid: child.pid!,
    kill: () => end('SIGKILL'),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop(patienceMs) {
      child.kill('SIGCONT');
      await end('SIGTERM', patienceMs);
    },
  };
};

const isGone = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
