/** Roles of Attune as an operator starts them: `attune serve`, `attune pipeline`, `attune doctor`, each a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '#contracts';
import { embeddedEnv } from '../embedded-env.ts';

const ENTRY = fileURLToPath(new URL('../../cli/attune.mjs', import.meta.url));

export interface RoleProcess {
  readonly pid: number;
  /** Last lines of output, for a report of failure. */
  tail(): string;
  /** kill -9 */
  kill(): Promise<void>;
  /** What it ended with by itself, once all of its output is here; rejects with the output when it does not end within a minute. */
  ended(): Promise<number | null>;
  /** SIGTERM, and what it ended with; SIGKILL after thirty seconds. Safe to call twice. */
  stop(): Promise<number | null>;
}

/** @param env beside what is embedded and open */
export const startRole = (args: readonly string[], env: NodeJS.ProcessEnv): RoleProcess => {
  const child = spawn(process.execPath, [ENTRY, ...args], { env: { ...embeddedEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-8_000)));
  // A test that ends without stop() must not leave a role behind.
  const onExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('exit', () => process.removeListener('exit', onExit));
  const closed = new Promise<number | null>((resolve) => void child.once('close', resolve));
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const gone = once(child, 'exit');
    child.kill(signal);
    const forced = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const [code] = (await gone) as [number | null];
    clearTimeout(forced);
    return code;
  };
  return {
    pid: child.pid!,
    tail: () => output,
    kill: async () => void (await end('SIGKILL')),
    async ended() {
      const code = await within(60_000, closed, 'lives' as const);
      if (code === 'lives') throw new Error(`it did not end:\n${output}`);
      return code;
    },
    stop: () => end('SIGTERM'),
  };
};

/** Runs a command to its end. */
export const runCommand = async (
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const child = spawn(process.execPath, [ENTRY, ...args], { env: { ...embeddedEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
};
