/** Keeps one role alive in a process of its own: starts it, starts it again with backoff when it dies, stops it when asked. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ENGINE_FLAGS } from '../engine-flags.ts';
import { EXIT } from '../exit-codes.ts';
import { createBackoff } from './backoff.ts';
import { parseFromRole } from './messages.ts';
import type { FromRole, ToRole } from './messages.ts';
import { nicenessOf, setNiceness } from './niceness.ts';

export interface SuperviseOptions {
  readonly role: string;
  /** A module that runs the role, and its arguments. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly onLine: (role: string, line: string) => void;
  readonly onMessage: (role: string, message: FromRole) => void;
  /** The role said that starting it again is useless. */
  readonly onGivenUp: (role: string, code: number) => void;
}

export interface Supervised {
  readonly role: string;
  /** Of the process that runs now. */
  readonly pid: number | undefined;
  /** Asks the role to drain; resolves when its process is gone. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends the process at once. */
  kill(): void;
}

export const supervise = (options: SuperviseOptions): Supervised => {
  const { role, onLine, onMessage } = options;
  const backoff = createBackoff();
  const niceness = nicenessOf(role);
  const stopping = new AbortController();
  let child: ChildProcess | null = null;

  const runOnce = (): Promise<{ code: number | null; signal: NodeJS.Signals | null }> =>
    new Promise((resolve) => {
      const started = fork(options.entry, options.args, {
        env: options.env,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: [...process.execArgv, ...ENGINE_FLAGS],
      });
      child = started;
      setNiceness(started.pid, niceness);
      for (const stream of [started.stdout, started.stderr]) {
        if (stream !== null) createInterface({ input: stream }).on('line', (line) => onLine(role, line));
      }
      started.on('message', (message) => {
        const known = parseFromRole(message);
        if (known !== null) onMessage(role, known);
      });
      started.on('error', (error) => onLine(role, `could not be reached: ${error.message}`));
      started.on('exit', (code, signal) => {
        child = null;
        resolve({ code, signal });
      });
    });

  const keepAlive = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      const { code, signal } = await runOnce();
      if (stopping.signal.aborted) return;
      if (code === EXIT.ok || code === EXIT.unusable || code === EXIT.unavailable) {
        options.onGivenUp(role, code);
        return;
      }
      const waitMs = backoff.next(performance.now() - startedMs);
      onLine(role, `died (${signal ?? `exit code ${code}`}); starting it again in ${waitMs} ms`);
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const done = keepAlive();

  return {
    role,
    get pid() {
      return child?.pid;
    },
    async stop() {
      stopping.abort();
      // A child whose channel is closed is already on its way out.
      if (child?.connected === true) child.send({ kind: 'stop' } satisfies ToRole, () => {});
      await done;
    },
    kill() {
      stopping.abort();
      child?.kill('SIGKILL');
    },
  };
};
