/** Long work in slices, so that what else the process does (appends, answers, heartbeats) is not kept waiting. */
const SLICE_MS = 4;

export interface Slices {
  /** Asked often: about 40 ns. */
  readonly isOver: () => boolean;
  /** Lets the others have their turn. */
  readonly next: () => Promise<void>;
}

export const startSlices = (): Slices => {
  let until = performance.now() + SLICE_MS;
  return {
    isOver: () => performance.now() > until,
    next: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + SLICE_MS;
    },
  };
};
