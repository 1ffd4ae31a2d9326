/**
 * Lets one batch at a time be worked through, although each partition brings its own.
 *
 * Side by side they would cost the same, since there is one thread, and fill their blocks at the same moment: the warehouse would have
 * nothing to do until then, and everything afterwards. One after the other, it takes the first block while the second is filled.
 */
export interface Turn {
  /** Lets others in while it waits for something. */
  outside<T>(work: () => Promise<T>): Promise<T>;
  /** Safe to call twice. */
  end(): void;
}

/** Resolves when it is our turn, in the order of asking. */
export const createTurns = (): (() => Promise<Turn>) => {
  let tail: Promise<void> = Promise.resolve();
  const next = async (): Promise<() => void> => {
    const before = tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    tail = promise;
    await before;
    return resolve;
  };
  return async () => {
    let end = await next();
    return {
      async outside(work) {
        end();
        try {
          return await work();
        } finally {
          end = await next();
        }
      },
      end: () => end(),
    };
  };
};
