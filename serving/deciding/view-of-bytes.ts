/** What a decision sees of a state as read; definitions that wrote it and are not loaded yet are fetched once. */
import { AttuneError, type CustomerKey } from '#contracts';
import { fingerprintOf, loadFeatureSet, viewOfState, type CustomerStateView, type FeatureSet, type FeatureStore } from '#feature-store';

interface ViewOptions {
  readonly customerKey: CustomerKey;
  readonly featureSet: FeatureSet;
  readonly nowMs: number;
}

/** Null: the bytes cannot be understood, which is as bad as not reading them. */
export const viewOfBytes = (
  store: FeatureStore,
  bytes: Buffer | null,
  options: ViewOptions,
): CustomerStateView | null | Promise<CustomerStateView | null> => {
  try {
    return viewOfState(bytes, options);
  } catch (error) {
    const unknownSet = bytes !== null && error instanceof AttuneError && error.code === 'feature-set.unknown';
    return unknownSet ? afterLoading(store, bytes, options) : null;
  }
};

const afterLoading = async (store: FeatureStore, bytes: Buffer, options: ViewOptions): Promise<CustomerStateView | null> => {
  try {
    const loaded = await loadFeatureSet(store.blobs, options.featureSet, fingerprintOf(bytes));
    return loaded === null ? null : viewOfState(bytes, options);
  } catch {
    return null;
  }
};
