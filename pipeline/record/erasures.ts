/** What the erasure topic says: whose earlier records are to be skipped, and whose rows are to go. */
import { customerKeyFromBytes, erasureCodec, TOPICS, type CustomerKey } from '#contracts';
import type { EventLog, Follower } from '#event-log';

export interface Erasures {
  readonly caughtUp: Promise<void>;
  /** True: the record was taken at or before the customer's erasure. */
  covers(customerKey: CustomerKey | null, timestampMs: number): boolean;
  stop(): Promise<void>;
}

/** @param onErasure called once for each record of the topic, those of the past included */
export const followErasures = (deps: {
  readonly log: EventLog;
  readonly onErasure: (customerKey: CustomerKey, erasedAt: number) => void;
}): Erasures => {
  const erasedAt = new Map<CustomerKey, number>();
  const follower: Follower = deps.log.follow([TOPICS.erasures], (record) => {
    let erasure;
    try {
      erasure = erasureCodec.decode(record.value);
    } catch {
      return;
    }
    const key = customerKeyFromBytes(erasure.customerKey);
    erasedAt.set(key, Math.max(erasedAt.get(key) ?? 0, erasure.erasedAt));
    deps.onErasure(key, erasure.erasedAt);
  });
  return {
    caughtUp: follower.caughtUp,
    covers: (key, timestampMs) => key !== null && timestampMs <= (erasedAt.get(key) ?? -1),
    stop: () => follower.stop(),
  };
};
