/** Spares decisions the wait for a feature store that has stopped answering: now and then one asks, the others go on without. */
import type { Clock } from '#contracts';

export interface StoreCircuit {
  /** False: it has not answered for a while, and this one is not to ask. */
  mayAsk(): boolean;
  answered(): void;
  /** Late, or refused. */
  failed(): void;
}

/**
 * In a row. Where one node of several is away, the others' answers keep the circuit closed: with a third of the reads failing, so many
 * in a row are one in sixty thousand.
 */
const FAILURES = 10;
const ASK_EVERY_MS = 100;

export const createStoreCircuit = (monotonicMs: Clock): StoreCircuit => {
  let failures = 0;
  let nextAskMs = 0;
  return {
    mayAsk() {
      if (failures < FAILURES) return true;
      const nowMs = monotonicMs();
      if (nowMs < nextAskMs) return false;
      nextAskMs = nowMs + ASK_EVERY_MS;
      return true;
    },
    answered() {
      failures = 0;
    },
    failed() {
      failures += 1;
      if (failures >= FAILURES) nextAskMs = monotonicMs() + ASK_EVERY_MS;
    },
  };
};
