/** What follows from the proof so far: is the action to be paused, how many are held out, how many may be contacted before it is proven. */
import type { BackfireBounds } from './sequence.ts';

export interface GuardSettings {
  /** The rise of the rate of inbound contact that is put up with, such as 0.01. */
  readonly margin: number;
  readonly holdout: {
    /** Of a new action. */
    readonly first: number;
    /** Of a proven one. */
    readonly last: number;
  };
  /** Contacted customers of a new action whose windows have not matured. */
  readonly ramp: number;
}

export interface GuardVerdict {
  /** The rise is above the margin, as good as certainly. */
  readonly pause: boolean;
  /** 0 to 1. */
  readonly share: number;
  /** Open trials of the contacted at most; null: as many as the policies allow. */
  readonly ramp: number | null;
}

/** By then an action that doubles a rate of 8 % has been caught in 19 of 20 cases and more (docs/backfire.md). */
const CONTACTS_UNTIL_GROWTH = 2_000;

export const guardVerdict = ({ low, high, contacted }: BackfireBounds, { margin, holdout, ramp }: GuardSettings): GuardVerdict => ({
  pause: low > margin,
  share: shareOf(high, margin, holdout),
  ramp: high <= margin ? null : contacted < CONTACTS_UNTIL_GROWTH ? ramp : Math.max(ramp, contacted),
});

const STEPS = 3;

/**
 * From the first share at an upper bound of four margins or more down to the last at one margin, in three steps and no curve: each share is a
 * stratum of the sequence, and each change a record on the log.
 */
const shareOf = (high: number, margin: number, { first, last }: GuardSettings['holdout']): number => {
  const stepsToGo = Math.min(STEPS, Math.max(0, Math.ceil((high - margin) / margin)));
  return Math.round((last + ((first - last) * stepsToGo) / STEPS) * 1e4) / 1e4;
};
