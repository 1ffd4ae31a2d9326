/** `attune serve`: the API, in one process or in several behind one port. */
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import type { Config } from '../config.ts';
import { describeLog, describeStore } from '../engines.ts';
import { EXIT } from '../exit-codes.ts';
import { refuseTakenPort } from '../refuse-taken-port.ts';
import type { WantedPort } from '../refuse-taken-port.ts';
import { runRole } from '../run-role.ts';

const ENTRY = fileURLToPath(new URL('../attune.mjs', import.meta.url));
/** The primary waits for its workers, which give themselves less. */
const PRIMARY_DRAIN_MS = 18_000;

export const serve = (config: Config, args: readonly string[]): Promise<void> => {
  const { workers, slot } = parseServe(config, args);
  if (slot === null && workers > 1) return serveWithWorkers(config, workers);
  return runRole(slot === null ? 'api' : `api-${slot}`, config, async (log, giveUp) => {
    if (slot === null) await refuseTakenPort(portOfApi(config));
    const { serveApi } = await import('../serve-api.ts');
    return serveApi(config, slot, log, giveUp);
  });
};

/** The primary neither opens stores nor answers requests: little can go wrong in it. */
const serveWithWorkers = (config: Config, count: number): Promise<void> =>
  runRole(
    'api',
    config,
    async (log) => {
      await refuseTakenPort(portOfApi(config));
      const { runWorkers } = await import('../workers/run-workers.ts');
      const fleet = await runWorkers({
        count,
        entry: ENTRY,
        args: (slot) => ['serve', '--worker', String(slot)],
        log,
        onGivenUp: () => process.exit(EXIT.unusable),
      });
      return {
        detail: `${count} workers listening on ${config.host}:${fleet.port}, catalog ${config.catalogDir}; ${describeLog(config)}, ${describeStore(config)}`,
        port: fleet.port,
        stop: () => fleet.stop(),
      };
    },
    PRIMARY_DRAIN_MS,
  );

const portOfApi = ({ host, port }: Config): WantedPort => ({ host, port, variable: 'ATTUNE_PORT' });

interface ServeArguments {
  readonly workers: number;
  /** Which worker of a primary this process is. */
  readonly slot: number | null;
}

const parseServe = (config: Config, args: readonly string[]): ServeArguments => {
  const { values } = parseArgs({ args: [...args], options: { workers: { type: 'string' }, worker: { type: 'string' } } });
  const workers = values.workers === undefined ? config.workers : Number(values.workers);
  if (!Number.isInteger(workers) || workers < 1 || workers > 256)
    throw new AttuneError('config.invalid', `--workers must be a whole number from 1 to 256, not '${values.workers}'`);
  if (values.worker !== undefined && !cluster.isWorker)
    throw new AttuneError('config.invalid', '--worker is how `attune serve --workers N` calls its own processes; say --workers');
  return { workers, slot: values.worker === undefined ? null : Number(values.worker) };
};
