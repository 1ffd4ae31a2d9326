/** How long to wait before a dead child is started again: 200 ms, doubling to 10 s; a life of 30 s begins anew. */
export interface Backoff {
  /** @returns ms to wait, for a child that lived `livedMs` */
  next(livedMs: number): number;
}

const FIRST_MS = 200;
const MOST_MS = 10_000;
const HEALTHY_MS = 30_000;

export const createBackoff = (): Backoff => {
  let waitMs = FIRST_MS;
  return {
    next(livedMs) {
      if (livedMs >= HEALTHY_MS) waitMs = FIRST_MS;
      const now = waitMs;
      waitMs = Math.min(MOST_MS, waitMs * 2);
      return now;
    },
  };
};
