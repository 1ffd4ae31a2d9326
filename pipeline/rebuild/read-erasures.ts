/** Who was ever erased, and when: the whole of the compacted topic. */
import { TOPICS, customerKeyFromBytes, erasureCodec, type CustomerKey } from '#contracts';
import type { EventLog } from '#event-log';

export interface KnownErasure {
  /** ms since 1970 UTC */
  readonly erasedAt: number;
  /** Of the topic, which keeps its first number of partitions when others are raised: not the partition of the customer's state. */
  readonly partition: number;
  readonly offset: number;
  /** Where the store keeps the customer. */
  readonly shard: number;
}

export type KnownErasures = ReadonlyMap<CustomerKey, KnownErasure>;

/** The newest of each customer. What is no erasure is passed over: the state role has told of it. */
export const readErasures = async (log: EventLog): Promise<KnownErasures> => {
  const erased = new Map<CustomerKey, KnownErasure>();
  const follower = log.follow([TOPICS.erasures], ({ value, offset, partition }) => {
    try {
      const { customerKey, erasedAt, shard } = erasureCodec.decode(value);
      erased.set(customerKeyFromBytes(customerKey), { erasedAt, partition, offset, shard: shard ?? partition });
    } catch {
      // Nobody's.
    }
  });
  await follower.caughtUp;
  await follower.stop();
  return erased;
};
