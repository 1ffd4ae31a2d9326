/** Wakes one waiter; rung while nobody waits, it wakes the next one at once. */
export class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  readonly ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  /** Until it rings, `ms` have passed, or `cancelled` aborts. */
  async wait(ms: number, cancelled: AbortSignal): Promise<void> {
    if (!this.#rung && !cancelled.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      const wake = (): void => resolve();
      this.#wake = wake;
      cancelled.addEventListener('abort', wake);
      await promise;
      clearTimeout(timer);
      cancelled.removeEventListener('abort', wake);
    }
    this.#wake = null;
    this.#rung = false;
  }
}
