/** Real `attune pipeline` processes that learn, told apart by the lease that one of them holds. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../engines/child.ts';
import type { Child } from '../engines/child.ts';
import { embeddedEnv } from '../embedded-env.ts';
import { freePort } from '../free-port.ts';

const ENTRY = fileURLToPath(new URL('../../cli/attune.mjs', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface PipelineProcess extends Child {
  readonly dataDir: string;
  /** /metrics, as numbers by name. */
  metrics(): Promise<ReadonlyMap<string, number>>;
}

export const startPipeline = async (options: {
  readonly dataDir: string;
  readonly roles: string;
  readonly env?: NodeJS.ProcessEnv;
}): Promise<PipelineProcess> => {
  const port = await freePort();
  const child = await startChild({
    command: process.execPath,
    args: [ENTRY, 'pipeline', '--roles', options.roles],
    cwd: ROOT,
    port,
    // On a machine that runs everything at once the models load slowly.
    startMs: 150_000,
    env: { ...embeddedEnv(), ...options.env, ATTUNE_DATA_DIR: options.dataDir, ATTUNE_PIPELINE_PORT: String(port) },
  });
  return {
    ...child,
    dataDir: options.dataDir,
    async metrics() {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
      const numbers = text.matchAll(/^(\w+(?:\{[^}]*\})?) (\S+)$/gm);
      return new Map(Array.from(numbers, ([, name, value]) => [name!, Number(value)] as const));
    },
  };
};

/** Of a data directory, by their ids. */
export const learnerHomes = (dataDir: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(dataDir)
      .filter((name) => name.startsWith('learner') && existsSync(join(dataDir, name, 'id')))
      .map((name) => [readFileSync(join(dataDir, name, 'id'), 'utf8'), join(dataDir, name)] as const),
  );
