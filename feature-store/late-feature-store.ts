/** A feature store that may not be reachable yet: opened in the background, again and again; until it is there, whatever is asked of it fails at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError, EngineUnavailable, within } from '#contracts';
import type { FeatureStore } from './port.ts';

export interface LateFeatureStoreOptions {
  readonly open: () => Promise<FeatureStore>;
  /** Of the store that will be opened. */
  readonly mayLoseMs: number;
  /** How long opening waits before it goes on without. Default 3 s. */
  readonly patienceMs?: number;
  readonly warn: (message: string) => void;
  /** What time does not cure showed after `patienceMs`; it is not tried again. Under another's key a receipt would be wrong for ever. */
  readonly onUnusable: (error: AttuneError) => void;
}

const RETRY_MS = 1_000;
/** For what an operator has to mend: a wrong password. */
const SLOW_RETRY_MS = 15_000;

/** Rejects with what time does not cure, when that shows within `patienceMs`. */
export const openLateFeatureStore = async ({
  open,
  mayLoseMs,
  patienceMs = 3_000,
  warn,
  onUnusable,
}: LateFeatureStoreOptions): Promise<FeatureStore> => {
  const cancel = new AbortController();
  const arrived = Promise.withResolvers<FeatureStore | null>();
  const first = Promise.withResolvers<void>();
  first.promise.catch(() => undefined);
  let store: FeatureStore | null = null;
  let isLate = false;

  const opening = (async (): Promise<void> => {
    for (let told = ''; !cancel.signal.aborted;) {
      let waitMs = RETRY_MS;
      try {
        store = await open();
        arrived.resolve(store);
        return first.resolve();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (error instanceof AttuneError && !error.retriable) {
          if (isLate && !cancel.signal.aborted) onUnusable(error);
          return first.reject(error);
        }
        if (!(error instanceof EngineUnavailable)) waitMs = SLOW_RETRY_MS;
        if (message !== told && !cancel.signal.aborted) warn(`the feature store cannot be opened yet: ${message}`);
        told = message;
      }
      await delay(waitMs, undefined, { signal: cancel.signal, ref: false }).catch(() => undefined);
    }
  })();

  const close = async (): Promise<void> => {
    cancel.abort();
    arrived.resolve(null);
    // An opening that hangs must not hold up the end of the process.
    if (store === null) void opening.then(() => store?.close());
    else await store.close();
  };
  try {
    await within(patienceMs, first.promise, undefined);
  } catch (error) {
    await close();
    throw error;
  }
  isLate = true;

  const get = (): FeatureStore => {
    if (store === null) throw new EngineUnavailable('feature-store', 'The feature store has not been reached since this process started.');
    return store;
  };
  return {
    states: {
      read: (key, shard) => get().states.read(key, shard),
      readMany: async (keys) => get().states.readMany(keys),
      commit: async (commits) => get().states.commit(commits),
      async *scan(kind) {
        yield* get().states.scan(kind);
      },
    },
    timers: { due: async (...args) => get().timers.due(...args) },
    blobs: {
      put: async (...args) => get().blobs.put(...args),
      get: async (hash) => get().blobs.get(hash),
      find: async (name) => get().blobs.find(name),
      remove: async (hash) => get().blobs.remove(hash),
    },
    requests: { claim: async (...args) => get().requests.claim(...args) },
    leases: {
      hold: async (...args) => get().leases.hold(...args),
      release: async (...args) => get().leases.release(...args),
      holder: async (name) => get().leases.holder(name),
    },
    documents: {
      get: async (...args) => get().documents.get(...args),
      put: async (...args) => get().documents.put(...args),
      remove: async (...args) => get().documents.remove(...args),
      list: async (...args) => get().documents.list(...args),
      due: async (...args) => get().documents.due(...args),
      forget: async (...args) => get().documents.forget(...args),
    },
    reservations: {
      reserve: async (...args) => get().reservations.reserve(...args),
      release: async (...args) => get().reservations.release(...args),
      held: async (...args) => get().reservations.held(...args),
    },
    mayLoseMs,
    onLoss(listener) {
      let ended = false;
      let end = (): void => void (ended = true);
      void arrived.promise.then((there) => {
        if (there !== null && !ended) end = there.onLoss(listener);
      });
      return () => end();
    },
    close,
  };
};
