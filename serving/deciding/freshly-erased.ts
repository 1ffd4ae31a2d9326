/** Between an erasure and the moment when the pipeline has deleted the state, the state is as if it were not there. */
import { MINUTE_MS, type CustomerKey } from '#contracts';
import type { ErasuresHolder } from '../holders/erasures-holder.ts';

/** Generous: a pipeline that lags longer has alarms of its own. */
const GRACE_MS = 10 * MINUTE_MS;

export const isFreshlyErased = (erasures: ErasuresHolder, key: CustomerKey, nowMs: number): boolean => {
  const erasedAt = erasures.erasedAt(key);
  return erasedAt !== null && nowMs - erasedAt < GRACE_MS;
};
