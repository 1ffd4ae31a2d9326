/** One LMDB environment, shared by processes, whose dead readers are swept so that they pin no pages. */
import { EngineUnavailable } from '#contracts';
import { openSharedLmdb, type SharedLmdb } from '#shared-lmdb';

export type Env = SharedLmdb;

const SWEEP_READERS_MS = 10_000;

export interface OpenedEnvironment {
  readonly env: Env;
  close(): Promise<void>;
}

export function openEnvironment(path: string): OpenedEnvironment {
  const env = attempt(`could not open ${path}`, () => openSharedLmdb({ path, maxReaders: 512, eventTurnBatching: false }));
  env.readerCheck();
  const sweep = setInterval(() => env.readerCheck(), SWEEP_READERS_MS);
  sweep.unref();
  return {
    env,
    close: async () => {
      clearInterval(sweep);
      await env.close();
    },
  };
}

/** Turns whatever LMDB throws into the error that callers know how to wait out. */
export function attempt<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw unavailable(what, cause);
  }
}

export function unavailable(what: string, cause: unknown): EngineUnavailable {
  quieten(cause);
  if (cause instanceof EngineUnavailable) return cause;
  return new EngineUnavailable('event-log', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
}

/** lmdb hangs a promise on the error of a failed commit; unhandled, its rejection would end the process. */
function quieten(cause: unknown): void {
  const { commitError } = cause as { commitError?: Promise<unknown> };
  commitError?.catch(() => undefined);
}
