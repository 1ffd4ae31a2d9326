/** Spares decisions the wait for a feature store that has stopped answering: all go on without, and now and then one asks and does not wait. */
import type { Clock } from '#contracts';

export interface StoreCircuit {
  /** False: it has not answered for a while, and nobody is to wait for it. */
  mayAsk(): boolean;
  /** True, and then not for a while: whoever may not ask is to ask without waiting, and to say what came of it. */
  mayTry(): boolean;
  answered(): void;
  /** Late, or refused. */
  failed(): void;
}

/**
 * In a row. Where one node of several is away, the others' answers keep the circuit closed: with a third of the reads failing, so many
 * in a row are one in sixty thousand.
 */
const FAILURES = 10;
const TRY_EVERY_MS = 100;

export const createStoreCircuit = (monotonicMs: Clock): StoreCircuit => {
  let failures = 0;
  let nextTryMs = 0;
  return {
    mayAsk: () => failures < FAILURES,
    mayTry() {
      const nowMs = monotonicMs();
      if (nowMs < nextTryMs) return false;
      nextTryMs = nowMs + TRY_EVERY_MS;
      return true;
    },
    answered() {
      failures = 0;
    },
    failed() {
      failures += 1;
      if (failures >= FAILURES) nextTryMs = monotonicMs() + TRY_EVERY_MS;
    },
  };
};
