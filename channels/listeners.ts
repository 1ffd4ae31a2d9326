/** Who is told of an adapter's receipts. */
import type { DeliveryReceipt } from '#contracts';

type Listener = (receipt: DeliveryReceipt) => Promise<void>;

export interface Listeners {
  add(listener: Listener): void;
  /** Rejects as the first listener that does: the peer is to tell again. */
  tell(receipt: DeliveryReceipt): Promise<void>;
}

export const createListeners = (): Listeners => {
  const listeners: Listener[] = [];
  return {
    add: (listener) => void listeners.push(listener),
    async tell(receipt) {
      for (const listener of listeners) await listener(receipt);
    },
  };
};
