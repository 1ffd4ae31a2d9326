/** Documents lie in 32 of the buckets, each beside its part of the indexes: what one script changes is in one slot, and a list asks 32 times, not 1,024. */
import { hash32 } from '#contracts';
import { BUCKETS, slotOf } from './buckets.ts';

const COUNT = 32;
const SLOTS = 16_384;

/** Those whose slots lie most evenly: a Redis Cluster of up to 32 masters, with ranges of equal length, has as many of them on each, give or take one. */
export const DOCUMENT_BUCKETS: readonly number[] = Array.from({ length: COUNT }, (_, i) => {
  const middle = ((i + 0.5) * SLOTS) / COUNT;
  const all = Array.from({ length: BUCKETS }, (__, bucket) => bucket);
  return all.reduce((best, bucket) => (Math.abs(slotOf(bucket) - middle) < Math.abs(slotOf(best) - middle) ? bucket : best));
});

export const documentBucketOf = (kind: string, id: string): number => DOCUMENT_BUCKETS[hash32(`${kind}\0${id}`) % COUNT]!;
