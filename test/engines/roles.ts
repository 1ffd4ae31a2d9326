/** Roles of Attune as an operator starts them: `attune serve`, `attune pipeline`, `attune doctor`, each a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { embeddedEnv } from '../embedded-env.ts';

const ENTRY = fileURLToPath(new URL('../../cli/attune.mjs', import.meta.url));

export interface RoleProcess {
  readonly pid: number;
  /** Last lines of output, for a report of failure. */
  tail(): string;
  /** kill -9 */
  kill(): Promise<void>;
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
