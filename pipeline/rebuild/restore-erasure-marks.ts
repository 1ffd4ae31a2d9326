/** Says of every erasure that it has been carried out: read again, it must not end what the customer began since. */
import type { CustomerKey } from '#contracts';
import { encodeErasureMark, erasureMarkKey, type FeatureStore, type StateCommit } from '#feature-store';
import type { KnownErasure, KnownErasures } from './read-erasures.ts';

const COMMITS = 500;

/** Into an empty store, before the first state: a rebuild leaves out whatever an erasure of the list covers. @param epoch of the log */
export const restoreErasureMarks = async (store: FeatureStore, erased: KnownErasures, epoch: number): Promise<void> => {
  const all = [...erased];
  for (let from = 0; from < all.length; from += COMMITS) {
    await store.states.commit(all.slice(from, from + COMMITS).map((each) => markOf(each, epoch)));
  }
};

const markOf = ([key, { offset, shard }]: readonly [CustomerKey, KnownErasure], epoch: number): StateCommit => ({
  key: erasureMarkKey(key),
  shard,
  value: encodeErasureMark({ epoch, offset }),
  expected: null,
  companions: [],
  timer: { from: null, to: null },
});
