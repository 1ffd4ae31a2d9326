/**
 * The empirical Bernstein interval (Maurer & Pontil 2009, theorem 4): valid at every n, not only for large ones, where the rounds are independent and
 * their range is known.
 *
 *   |V̂ − V| ≤ √(2 s² ln(4/α) / n) + 7 R ln(4/α) / 3(n − 1)        with probability at least 1 − α, R = high − low
 *
 * The range is not seen in the data: it is known, from the rewards' range and from the floor under the logging probabilities (`rangeOfRounds`).
 */
import { AttuneError } from '#contracts';
import { checkLevel, DEFAULT_LEVEL, type Interval } from './interval.ts';
import { meanOf, roundsOf, type Terms } from './terms.ts';

export interface Range {
  readonly low: number;
  readonly high: number;
}

export interface BernsteinOptions {
  /** Of a round. */
  readonly range: Range;
  /** Where the value lies in any case, such as the rewards' range; default: the range of a round. */
  readonly within?: Range;
  readonly level?: number;
}

/**
 * Throws `evaluation.invalid` for a self-normalised estimator, which is no mean of independent rounds, for fewer than two rounds, and for a range that
 * the rounds leave: it was not known then.
 */
export const empiricalBernsteinInterval = (terms: Terms, { range, within = range, level = DEFAULT_LEVEL }: BernsteinOptions): Interval => {
  if (terms.normaliser !== null)
    throw new AttuneError(
      'evaluation.invalid',
      'empirical Bernstein needs a plain mean (IPS, DM, DR, DRos), not a self-normalised estimator',
    );
  const rounds = roundsOf(terms);
  const n = rounds.length;
  if (n < 2) throw new AttuneError('evaluation.invalid', `empirical Bernstein needs two rounds, not ${n}`);
  const slack = 1e-9 * Math.max(1, Math.abs(range.low), Math.abs(range.high));
  const outside = rounds.find((x) => !(x >= range.low - slack && x <= range.high + slack));
  if (outside !== undefined)
    throw new AttuneError(
      'evaluation.invalid',
      `a round is worth ${outside}, outside the range from ${range.low} to ${range.high} that was said to be known`,
    );
  const value = meanOf(rounds);
  let squares = 0;
  for (const x of rounds) squares += (x - value) ** 2;
  const log = Math.log(4 / (1 - checkLevel(level)));
  const half = Math.sqrt((2 * (squares / (n - 1)) * log) / n) + (7 * (range.high - range.low) * log) / (3 * (n - 1));
  return { method: 'empiricalBernstein', value, low: Math.max(within.low, value - half), high: Math.min(within.high, value + half), level };
};

/**
 * What a round of IPS or DR can be worth: rewards and q̂ within `reward`, weights at most `largestWeight`, which is 1 over the floor under the
 * logging probabilities (or where the weights are clipped, min(w, M), M: then the estimate is of a value that lies below the true one by at most what
 * was clipped off, for rewards from 0 up).
 */
export const rangeOfRounds = ({
  reward,
  largestWeight,
  modelled,
}: {
  readonly reward: Range;
  readonly largestWeight: number;
  /** True: DR and DRos, whose rounds have q̂ in them. */
  readonly modelled: boolean;
}): Range => {
  const spread = reward.high - reward.low;
  return modelled
    ? { low: reward.low - largestWeight * spread, high: reward.high + largestWeight * spread }
    : { low: Math.min(0, reward.low * largestWeight), high: Math.max(0, reward.high * largestWeight) };
};
