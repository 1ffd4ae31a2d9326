/** Documents are not made anew by a rebuild, which knows only what the log tells: they stay, but for those of the erased. */
import { customerKeyToBytes } from '#contracts';
import type { FeatureStore } from '#feature-store';
import type { KnownErasures } from './read-erasures.ts';

const AT_A_TIME = 64;

/** What came from an older copy of the store's files may hold them still. Who began anew after the erasure keeps what was written since. */
export const forgetDocuments = async ({ documents }: FeatureStore, erased: KnownErasures): Promise<void> => {
  const all = [...erased];
  for (let from = 0; from < all.length; from += AT_A_TIME)
    await Promise.all(all.slice(from, from + AT_A_TIME).map(([key, { erasedAt }]) => documents.forget(customerKeyToBytes(key), erasedAt)));
};
