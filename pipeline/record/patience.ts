/** Tries again until it succeeds or is told to stop, waiting longer each time. */

export interface Patience {
  /** Null: it was stopped before it succeeded. */
  until<T>(work: () => Promise<T>): Promise<T | null>;
  /** Ends every wait. */
  stop(): void;
  readonly stopped: boolean;
}

export const createPatience = (deps: {
  readonly onFailure: (error: unknown) => void;
  readonly firstMs?: number;
  readonly longestMs?: number;
}): Patience => {
  const { onFailure, firstMs = 250, longestMs = 10_000 } = deps;
  const wake = new Set<() => void>();
  let stopped = false;
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        wake.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      wake.add(done);
    });
  return {
    async until(work) {
      for (let waitMs = firstMs; ; waitMs = Math.min(waitMs * 2, longestMs)) {
        if (stopped) return null;
        try {
          return await work();
        } catch (error) {
          onFailure(error);
        }
        if (!stopped) await sleep(waitMs);
      }
    },
    stop() {
      stopped = true;
      for (const done of wake) done();
    },
    get stopped() {
      return stopped;
    },
  };
};
