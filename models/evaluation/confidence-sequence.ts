/**
 * An anytime-valid confidence sequence: intervals for n = 1, 2, … that all hold together with probability 1 − α, so that one may look after every
 * decision and stop at will.
 *
 * Predictable plug-in empirical Bernstein for a mean of ξ_t ≥ 0 (Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2022, "Anytime-valid off-policy
 * inference for contextual bandits", theorem 1, for which Fan, Grama & Liu's inequality needs no upper bound of ξ):
 *
 *   L_t = (Σ λ_i ξ_i − ln(1/α) − Σ ψ(λ_i) (ξ_i − ξ̂_{i−1})²) / Σ λ_i,      ψ(λ) = −ln(1 − λ) − λ
 *
 * with ξ̂ and λ from the rounds before. So nothing need be known of the weights; only the rewards' range. Rounds need not be independent: the logging
 * policy may have learned from all before. For a bound from above the reward is turned over: E[w (1 − r)] = 1 − V.
 */
import { AttuneError } from '#contracts';
import { importanceWeights, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import type { Range } from './empirical-bernstein.ts';
import { checkLevel } from './interval.ts';

export interface ConfidenceSequence {
  /** n: of the interval after that round. Never widens: it is the intersection of all so far. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly level: number;
}

interface SequenceOptions {
  /** Of the rewards, known beforehand. */
  readonly reward: Range;
  readonly level?: number;
  /** Where the sequence is to be narrowest; said before the rounds are seen. Default: at their number. */
  readonly narrowestAt?: number;
}

/** Of V(policy), at every n. Throws `evaluation.invalid` when a reward leaves the range. */
export const confidenceSequence = (
  log: LoggedRounds,
  policy: PerAction,
  { reward, level = 0.95, narrowestAt = log.action.length }: SequenceOptions,
): ConfidenceSequence => {
  const weights = importanceWeights(log, policy);
  const unit = toUnit(log.reward, reward);
  return between(
    weights.map((w, i) => w * unit[i]!),
    weights.map((w, i) => w * (1 - unit[i]!)),
    { level, narrowestAt },
    (u) => reward.low + u * (reward.high - reward.low),
  );
};

/**
 * Of V(policy) − V(against), at every n, on the same rounds: E[w r + w' (1 − r)] = V − V' + 1. Throws likewise.
 */
export const differenceSequence = (
  log: LoggedRounds,
  policy: PerAction,
  against: PerAction,
  { reward, level = 0.95, narrowestAt = log.action.length }: SequenceOptions,
): ConfidenceSequence => {
  const [w, v] = [importanceWeights(log, policy), importanceWeights(log, against)];
  const unit = toUnit(log.reward, reward);
  return between(
    unit.map((r, i) => (w[i]! * r + v[i]! * (1 - r)) / 2),
    unit.map((r, i) => (v[i]! * r + w[i]! * (1 - r)) / 2),
    { level, narrowestAt },
    (u) => (2 * u - 1) * (reward.high - reward.low),
  );
};

/** Each side at half of what may go wrong. */
const between = (
  up: Float64Array,
  down: Float64Array,
  { level, narrowestAt }: { readonly level: number; readonly narrowestAt: number },
  toValue: (unit: number) => number,
): ConfidenceSequence => {
  const alpha = (1 - checkLevel(level)) / 2;
  return {
    low: lowerSequence(up, alpha, narrowestAt).map(toValue),
    high: lowerSequence(down, alpha, narrowestAt).map((u) => toValue(1 - u)),
    level,
  };
};

const LARGEST_LAMBDA = 0.5;
/** What is taken for known before the first round: so many rounds of this mean and variance. Any choice is valid; weights far above 1 are usual. */
const PRIOR = { rounds: 20, mean: 0.5, variance: 2 };

/** Lower bounds of the mean of ξ ≥ 0, which is at most 1; from 0 up and never falling. */
const lowerSequence = (xi: Float64Array, alpha: number, narrowestAt: number): Float64Array => {
  const log = Math.log(1 / alpha);
  const out = new Float64Array(xi.length);
  let [lambdas, weighted, variation, best] = [0, 0, 0, 0];
  let [seen, sum, squares] = [PRIOR.rounds, PRIOR.rounds * PRIOR.mean, PRIOR.rounds * PRIOR.variance];
  for (let i = 0; i < xi.length; i++) {
    const before = Math.min(sum / seen, 1);
    const lambda = Math.min(LARGEST_LAMBDA, Math.sqrt((2 * log) / ((squares / seen) * narrowestAt)));
    const x = xi[i]!;
    lambdas += lambda;
    weighted += lambda * x;
    variation += (-Math.log1p(-lambda) - lambda) * (x - before) ** 2;
    best = Math.max(best, (weighted - log - variation) / lambdas);
    out[i] = Math.min(best, 1);
    seen++;
    sum += x;
    squares += (x - Math.min(sum / seen, 1)) ** 2;
  }
  return out;
};

const toUnit = (rewards: Float64Array, { low, high }: Range): Float64Array =>
  rewards.map((r, i) => {
    if (!(r >= low && r <= high))
      throw new AttuneError(
        'evaluation.invalid',
        `reward[${i}] is ${r}, outside the range from ${low} to ${high} that was said to be known`,
      );
    return high > low ? (r - low) / (high - low) : 0;
  });
