/** The sends that an adapter has in hand: closing waits for them, and takes no more. */
import type { SendResult } from '#contracts';

export interface InHand {
  /** `retry` at once when closed, or when `signal` has said so already. */
  send(signal: AbortSignal, work: (signal: AbortSignal) => Promise<SendResult>): Promise<SendResult>;
  /** Resolves when nothing is in hand. */
  close(): Promise<void>;
}

export const createInHand = (): InHand => {
  const sends = new Set<Promise<SendResult>>();
  let isClosed = false;
  return {
    async send(signal, work) {
      if (isClosed || signal.aborted) return { kind: 'retry', reason: 'the channel is closing', afterMs: null };
      const sending = work(signal);
      sends.add(sending);
      try {
        return await sending;
      } finally {
        sends.delete(sending);
      }
    },
    async close() {
      isClosed = true;
      await Promise.allSettled(sends);
    },
  };
};
