/** The primary of `attune serve --workers N`: N processes behind one port, each started again when it dies, drained together. */
import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError } from '#contracts';
import { ENGINE_FLAGS } from '../engine-flags.ts';
import { EXIT } from '../exit-codes.ts';
import { createBackoff } from '../supervisor/backoff.ts';
import { parseFromRole } from '../supervisor/messages.ts';
import type { ToRole } from '../supervisor/messages.ts';
import { createMetricsGatherer } from './gather-metrics.ts';
import { parseFromWorker } from './messages.ts';
import type { ToWorker } from './messages.ts';

export interface RunWorkersOptions {
  readonly count: number;
  /** A module that serves when it is called with `args(slot)`. */
  readonly entry: string;
  readonly args: (slot: number) => readonly string[];
  readonly log: { warn(text: string): void; error(text: string): void };
  /** After the start: none is left, and starting again is useless. */
  readonly onGivenUp: () => void;
}

export interface Workers {
  readonly port: number;
  /** Asks all to drain; resolves when their processes are gone. Safe to call twice. */
  stop(): Promise<void>;
}

interface Slot {
  readonly slot: number;
  worker: Worker | null;
  /** Set while it takes connections. */
  port: number | null;
}

/** Longer than a worker gives itself to drain. */
const FORCE_MS = 16_000;

/**
 * Resolves when the first worker takes connections; the others start then, so that a fault of the configuration is told once.
 * Rejects with `config.refused` when the first worker says that starting again is useless.
 */
export const runWorkers = async ({ count, entry, args, log, onGivenUp }: RunWorkersOptions): Promise<Workers> => {
  const slots: readonly Slot[] = Array.from({ length: count }, (_, i) => ({ slot: i + 1, worker: null, port: null }));
  // Each worker accepts for itself: a connection that the primary hands to a worker which dies at that moment would hang for ever (0012).
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const stopping = new AbortController();
  const env: NodeJS.ProcessEnv = {};
  let restarts = 0;
  const ready = (): readonly Slot[] => slots.filter(({ port }) => port !== null);
  const tellTo =
    ({ worker }: Slot) =>
    (message: ToWorker | ToRole): void => {
      if (worker?.isConnected() === true) worker.send(message, undefined, () => {});
    };
  const gatherer = createMetricsGatherer({
    workers: () => ready().map((slot) => ({ slot: slot.slot, tell: tellTo(slot) })),
    own: () => describeWorkers({ count, ready: ready().length, restarts }),
  });

  /** One life of a worker. */
  const live = async (own: Slot, onReady: (port: number) => void): Promise<{ readonly code: number | null; readonly how: string }> => {
    cluster.setupPrimary({ exec: entry, args: [...args(own.slot)], execArgv: [...process.execArgv, ...ENGINE_FLAGS] });
    const worker = cluster.fork(env);
    own.worker = worker;
    worker.on('message', (message: unknown) => {
      const ofRole = parseFromRole(message);
      if (ofRole?.kind === 'ready' && ofRole.port !== null) {
        own.port = ofRole.port;
        onReady(ofRole.port);
      }
      const ofWorker = parseFromWorker(message);
      if (ofWorker !== null) gatherer.onMessage({ slot: own.slot, tell: tellTo(own) }, ofWorker);
    });
    worker.on('error', (error) => log.error(`worker ${own.slot} could not be reached: ${error.message}`));
    const [code, signal] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
    own.worker = null;
    own.port = null;
    return { code, how: signal ?? `exit code ${code}` };
  };

  /** Worked: at once again. Died while it started: later and later. */
  const keepAlive = async (own: Slot, onReady: (port: number) => void, onUnusable: () => void): Promise<void> => {
    const backoff = createBackoff();
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      let worked = false;
      const { code, how } = await live(own, (port) => {
        worked = true;
        onReady(port);
      });
      if (stopping.signal.aborted) return;
      if (code === EXIT.unusable && ready().length === 0) return onUnusable();
      restarts++;
      const waitMs = worked ? 0 : backoff.next(performance.now() - startedMs);
      log.warn(`worker ${own.slot} died (${how}); starting it again ${waitMs === 0 ? 'at once' : `in ${waitMs} ms`}`);
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };

  const lives: Promise<void>[] = [];
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const slot of slots) tellTo(slot)({ kind: 'stop' });
    const forced = setTimeout(() => {
      for (const { worker } of slots) worker?.process.kill('SIGKILL');
    }, FORCE_MS);
    await Promise.all(lives);
    clearTimeout(forced);
  };

  const [first, ...others] = slots as readonly [Slot, ...Slot[]];
  let started = false;
  const port = await new Promise<number>((resolve, reject) => {
    const onUnusable = (): void => {
      if (started) onGivenUp();
      else reject(new AttuneError('config.refused', 'no worker can be started; the lines above say why'));
    };
    lives.push(keepAlive(first, resolve, onUnusable));
  });
  started = true;
  // A free port that was found must stay the same when workers are started again.
  env['ATTUNE_PORT'] = String(port);
  for (const slot of others) lives.push(keepAlive(slot, () => {}, onGivenUp));
  return { port, stop };
};

const describeWorkers = (now: { readonly count: number; readonly ready: number; readonly restarts: number }): string =>
  [
    ['attune_workers', 'gauge', 'Processes that shall serve the API here', now.count],
    ['attune_workers_ready', 'gauge', 'Processes that take connections', now.ready],
    ['attune_worker_restarts_total', 'counter', 'Workers that died and were started again', now.restarts],
  ]
    .map(([name, kind, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${name} ${value}\n`)
    .join('');
