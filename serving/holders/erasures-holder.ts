/** Who was erased and when, followed on the log: what was recorded of them before is not shown again. */
import { TOPICS, customerKeyFromBytes, erasureCodec, type CustomerKey } from '#contracts';
import type { EventLog } from '#event-log';

export interface ErasuresHolder {
  /** ms since 1970 UTC; null when never. */
  erasedAt(key: CustomerKey): number | null;
  /** In force here at once; the log brings it to the others. */
  apply(key: CustomerKey, erasedAt: number): void;
  onErased(listener: (key: CustomerKey) => void): void;
  readonly caughtUp: Promise<void>;
  stop(): Promise<void>;
}

/** About 100 bytes of memory an erased customer. */
export const followErasures = (log: EventLog, onUnreadable: (error: unknown) => void): ErasuresHolder => {
  const erased = new Map<CustomerKey, number>();
  const listeners: ((key: CustomerKey) => void)[] = [];

  const apply = (key: CustomerKey, at: number): void => {
    erased.set(key, Math.max(at, erased.get(key) ?? 0));
    for (const listener of listeners) listener(key);
  };

  const follower = log.follow([TOPICS.erasures], (record) => {
    try {
      const erasure = erasureCodec.decode(record.value);
      apply(customerKeyFromBytes(erasure.customerKey), erasure.erasedAt);
    } catch (error) {
      onUnreadable(error);
    }
  });

  return {
    erasedAt: (key) => erased.get(key) ?? null,
    apply,
    onErased: (listener) => void listeners.push(listener),
    caughtUp: follower.caughtUp,
    stop: () => follower.stop(),
  };
};
