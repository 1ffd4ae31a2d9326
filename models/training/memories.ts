/** The memories among which a training chooses: half-lives in days of decidedAt for the catalog's loop, in rows for a caller's. */
import type { EncoderSpec } from '../encoder/spec.ts';
import { DECLARED_TUNING, GENERIC_TUNING } from '../learner.ts';
import type { Memory } from '../version-blob.ts';

/**
 * The first is what a learner has that was told nothing. No log of some months tells 180 days from never, and whoever never forgets cannot follow what changes later;
 * a caller's loop that does not forget by rows (Infinity) still does so by days.
 */
const HALF_LIVES = {
  declared: [DECLARED_TUNING.halfLifeDays, 2, 7, 20, 180],
  generic: [GENERIC_TUNING.halfLifeRows, 1_000, 3_000, 10_000, Infinity],
} as const;

/** The shared part remembers longer: it holds what the own parts correct for today. */
const SHARED_LONGER = GENERIC_TUNING.sharedHalfLifeRows / GENERIC_TUNING.halfLifeRows;

/** @param halfLives default: the first is the one of model zero, and stays unless another is clearly better */
export const memoriesFor = ({ kind }: EncoderSpec, halfLives: readonly number[] = HALF_LIVES[kind]): readonly Memory[] =>
  halfLives.map((halfLife) =>
    kind === 'declared'
      ? { halfLifeDays: Math.min(halfLife, NEVER_DAYS), halfLifeRows: 0, sharedHalfLifeRows: 0 }
      : {
          halfLifeDays: GENERIC_TUNING.halfLifeDays,
          halfLifeRows: halfLife === Infinity ? 0 : halfLife,
          sharedHalfLifeRows: halfLife === Infinity ? 0 : Math.max(1, Math.round(halfLife * SHARED_LONGER)),
        },
  );

/** As good as never, and a number that JSON can hold. */
const NEVER_DAYS = 36_500;

/** What a learner has that was told nothing need not be said: the same trunk then keeps its version's name. */
export const isDefaultMemory = (encoder: EncoderSpec, { halfLifeDays, halfLifeRows }: Memory): boolean => {
  const [first] = memoriesFor(encoder);
  return first!.halfLifeDays === halfLifeDays && first!.halfLifeRows === halfLifeRows;
};

/** For a person. */
export const tellMemory = ({ halfLifeDays, halfLifeRows }: Memory): string => {
  if (halfLifeRows > 0) return `${halfLifeRows.toLocaleString('en')} rows`;
  return halfLifeDays === NEVER_DAYS ? 'never forget' : `${halfLifeDays.toLocaleString('en')} days`;
};
