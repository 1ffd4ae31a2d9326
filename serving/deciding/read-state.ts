/** Reads a customer's state within the deadline; what is slow or fails is told apart from a customer who is not known. */
import type { FeatureStore, RebuildWatch } from '#feature-store';
import type { StoreCircuit } from './store-circuit.ts';
import type { Subject } from './subject.ts';

/** `failed`: nothing can be said of the customer, which is not the same as not knowing them. */
export type StateRead = Buffer | null | 'failed';

export interface StateReadDeps {
  readonly store: FeatureStore;
  /** While the store is rebuilt, what it holds may be old, and a consent withdrawn since: nothing is read. */
  readonly rebuild: RebuildWatch;
  /** Null: asks in any case. */
  readonly storeCircuit: StoreCircuit | null;
}

/** An engine that answers in the same tick costs no timer. */
export const readState = (deps: StateReadDeps, subject: Subject, deadlineMs: number): StateRead | Promise<StateRead> => {
  const { store, rebuild, storeCircuit } = deps;
  if (!rebuild.known() || rebuild.underway()) return 'failed';
  const mayWait = storeCircuit === null || storeCircuit.mayAsk();
  if (!mayWait && !storeCircuit.mayTry()) return 'failed';
  let read: Buffer | null | Promise<Buffer | null>;
  try {
    read = store.states.read(subject.keyBytes, subject.shard);
  } catch {
    storeCircuit?.failed();
    return 'failed';
  }
  if (!(read instanceof Promise)) {
    storeCircuit?.answered();
    return read;
  }
  if (mayWait) return within(read, deadlineMs, storeCircuit);
  read.then(
    () => storeCircuit.answered(),
    () => storeCircuit.failed(),
  );
  return 'failed';
};

const within = (read: Promise<Buffer | null>, deadlineMs: number, circuit: StoreCircuit | null): Promise<StateRead> =>
  new Promise((resolve) => {
    const fail = (): void => {
      circuit?.failed();
      resolve('failed');
    };
    const timer = setTimeout(fail, Math.max(0, deadlineMs));
    read.then(
      (bytes) => {
        clearTimeout(timer);
        circuit?.answered();
        resolve(bytes);
      },
      () => {
        clearTimeout(timer);
        fail();
      },
    );
  });
