/** Reads a customer's state within the deadline; what is slow or fails is told apart from a customer who is not known. */
import type { FeatureStore, RebuildWatch } from '#feature-store';
import type { Subject } from './subject.ts';

/** `failed`: nothing can be said of the customer, which is not the same as not knowing them. */
export type StateRead = Buffer | null | 'failed';

export interface StateReadDeps {
  readonly store: FeatureStore;
  /** While the store is rebuilt, what it holds may be old, and a consent withdrawn since: nothing is read. */
  readonly rebuild: RebuildWatch;
}

/** An engine that answers in the same tick costs no timer. */
export const readState = ({ store, rebuild }: StateReadDeps, subject: Subject, deadlineMs: number): StateRead | Promise<StateRead> => {
  if (rebuild.underway()) return 'failed';
  let read: Buffer | null | Promise<Buffer | null>;
  try {
    read = store.states.read(subject.keyBytes, subject.shard);
  } catch {
    return 'failed';
  }
  return read instanceof Promise ? within(read, deadlineMs) : read;
};

const within = (read: Promise<Buffer | null>, deadlineMs: number): Promise<StateRead> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, deadlineMs), 'failed');
    read.then(
      (bytes) => {
        clearTimeout(timer);
        resolve(bytes);
      },
      () => {
        clearTimeout(timer);
        resolve('failed');
      },
    );
  });
