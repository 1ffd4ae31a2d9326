/** One LMDB environment: one file, one write lock; opened with the settings that several processes on one machine need. */
import { mkdirSync } from 'node:fs';
import { AttuneError, EngineUnavailable, SECOND_MS } from '#contracts';
import { openSharedLmdb, type SharedLmdb, type SharedLmdbTable } from '#shared-lmdb';

export type Table = SharedLmdbTable;

export interface Environment {
  readonly root: SharedLmdb;
  table(name: string): Table;
  /** Runs alone among all processes, and is durable (the machine's death included) when resolved. Nothing slow inside. */
  durably<T>(step: () => T): Promise<T>;
  /** Like `durably`, but only the death of processes is survived when it resolves. */
  atomically<T>(step: () => T): Promise<T>;
  close(): Promise<void>;
}

const READER_CHECK_MS = 30 * SECOND_MS;

/** @param tables how many it may have */
export const openEnvironment = (path: string, tables: number): Environment => {
  mkdirSync(path, { recursive: true });
  const root = attempt('open', () => openSharedLmdb({ path, maxDbs: tables }));
  root.readerCheck();
  // A killed reader pins the pages that it read, and the file grows.
  const timer = setInterval(() => root.readerCheck(), READER_CHECK_MS).unref();
  let closed: Promise<void> | undefined;

  const atomically = async <T>(step: () => T): Promise<T> => {
    if (closed !== undefined) throw new EngineUnavailable('feature-store', 'the feature store is closed');
    try {
      return await root.transaction(step);
    } catch (cause) {
      throw cause instanceof AttuneError
        ? cause
        : new EngineUnavailable('feature-store', `LMDB could not write: ${(cause as Error).message}`, cause);
    }
  };
  return {
    root,
    table: (name) => root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' }),
    atomically,
    durably: async (step) => {
      const result = await atomically(step);
      await root.flushed;
      return result;
    },
    close: () => {
      clearInterval(timer);
      closed ??= root.flushed.then(() => root.close());
      return closed;
    },
  };
};

/** What LMDB throws becomes EngineUnavailable: a failed read is not an unknown customer. */
export const attempt = <T>(what: string, step: () => T): T => {
  try {
    return step();
  } catch (cause) {
    throw new EngineUnavailable('feature-store', `LMDB could not ${what}: ${(cause as Error).message}`, cause);
  }
};
