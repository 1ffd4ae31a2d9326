/** Keeps to a rate: so many a second, in portions, and never more because it stood still before. */
import type { Clock } from '#contracts';

export interface Pace {
  /** Waits until the next portion may go; false: it was called off meanwhile. */
  next(portion: number, perSecond: number): Promise<boolean>;
}

export interface PaceDeps {
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  readonly isOver: () => boolean;
}

/** How long it sleeps before it looks whether it was called off. */
const LOOK_MS = 500;

export const createPace = ({ clock, sleep, isOver }: PaceDeps): Pace => {
  let nextMs = -Infinity;
  return {
    async next(portion, perSecond) {
      for (let waitMs = nextMs - clock(); waitMs > 0 && !isOver(); waitMs = nextMs - clock()) await sleep(Math.min(waitMs, LOOK_MS));
      if (isOver()) return false;
      nextMs = Math.max(nextMs, clock()) + (portion / perSecond) * 1_000;
      return true;
    },
  };
};

const MOST = 500;

/** A fifth of a second's, so that the rate is kept within a second too. */
export const portionOf = (perSecond: number): number => Math.min(MOST, Math.max(1, Math.floor(perSecond / 5)));
