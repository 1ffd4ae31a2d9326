/**
 * DRos: DR whose weights are shrunk optimistically, ŵ = λ w / (w² + λ) (Su, Dimakopoulou, Krishnamurthy & Dudík 2020, §4.2): λ → ∞ is DR, λ = 0 is
 * DM. λ is chosen among candidates from the log itself.
 */
import { AttuneError } from '#contracts';
import { weighResiduals } from './doubly-robust.ts';
import { importanceWeights, policyRewards, type LoggedRounds, type PerAction } from './logged-rounds.ts';
import { studentQuantile } from './student-quantile.ts';
import { meanOf, roundsOf, type Terms } from './terms.ts';

/** The candidates of the Open Bandit Pipeline's own benchmarks. */
export const DEFAULT_LAMBDAS: readonly number[] = Object.freeze([10, 50, 100, 500, 1_000, 5_000, 10_000, Infinity]);

export const doublyRobustShrinkage = (log: LoggedRounds, policy: PerAction, rewards: PerAction, lambda: number): Terms =>
  shrunk(log, rewards, policyRewards(log.actions, policy, rewards), importanceWeights(log, policy), lambda);

export interface LambdaChoice {
  readonly lambdas?: readonly number[];
  /**
   * `slope`: from the widest interval to the narrowest, the last that agrees with all before it (SLOPE++: Su et al. 2020; Tucker & Lee 2021).
   * `mse`: the least sum of sample variance and squared bias, the bias by an upper bound (Su et al. 2020, §5).
   */
  readonly by?: 'slope' | 'mse';
  /** Of the bounds, each. Default 0.1. */
  readonly delta?: number;
}

/** Throws `evaluation.invalid` when no candidate is given, or one is below 0. */
export const chooseLambda = (log: LoggedRounds, policy: PerAction, rewards: PerAction, choice: LambdaChoice = {}): number => {
  const { by = 'slope', delta = 0.1 } = choice;
  const lambdas = (choice.lambdas ?? DEFAULT_LAMBDAS).toSorted((a, b) => a - b);
  if (!lambdas.every((lambda) => lambda >= 0) || lambdas.length === 0)
    throw new AttuneError('evaluation.invalid', `lambdas must be numbers from 0, not [${lambdas.join(', ')}]`);
  const direct = policyRewards(log.actions, policy, rewards);
  const weights = importanceWeights(log, policy);
  const termsOf = (lambda: number): Terms => shrunk(log, rewards, direct, weights, lambda);
  if (by === 'slope') return chooseBySlope(lambdas, termsOf, delta);
  const scores = lambdas.map((lambda) => meanSquaredError({ log, rewards, weights, terms: termsOf(lambda), lambda, delta }));
  return lambdas[scores.indexOf(Math.min(...scores))]!;
};

const shrink = (w: number, lambda: number): number => (lambda === Infinity ? w : w === 0 ? 0 : (lambda * w) / (w * w + lambda));

const shrunk = (log: LoggedRounds, rewards: PerAction, direct: Float64Array, weights: Float64Array, lambda: number): Terms => ({
  direct,
  correction: weighResiduals(
    log,
    rewards,
    weights.map((w) => shrink(w, lambda)),
  ),
  normaliser: null,
});

const SLOPE = Math.sqrt(6) - 1;

const chooseBySlope = (lambdas: readonly number[], termsOf: (lambda: number) => Terms, delta: number): number => {
  const candidates = lambdas.map((lambda) => {
    const rounds = roundsOf(termsOf(lambda));
    const n = rounds.length;
    const quantile = studentQuantile(1 - delta, n - 1);
    return { lambda, value: meanOf(rounds), width: Math.sqrt(varianceOf(rounds) / (n - 1)) * quantile };
  });
  // Widest first; of equal ones the later first, as numpy's argsort reversed has it.
  const sorted = candidates.map((candidate, i) => ({ ...candidate, i })).toSorted((a, b) => b.width - a.width || b.i - a.i);
  for (let i = 1; i < sorted.length; i++) {
    const one = sorted[i]!;
    const agrees = sorted.slice(0, i).every((other) => Math.abs(other.value - one.value) <= one.width + SLOPE * other.width);
    if (!agrees) return sorted[i - 1]!.lambda;
  }
  return sorted.at(-1)!.lambda;
};

interface Judged {
  readonly log: LoggedRounds;
  readonly rewards: PerAction;
  readonly weights: Float64Array;
  readonly terms: Terms;
  readonly lambda: number;
  readonly delta: number;
}

/** Sample variance and the squared upper bound of the bias: |mean((w − ŵ)(r − q̂))| + √(2 mean(w²) ln(2/δ)/n) + 2 max(w) ln(2/δ)/3n. */
const meanSquaredError = ({ log, rewards, weights, terms, lambda, delta }: Judged): number => {
  const n = weights.length;
  const lost = weighResiduals(
    log,
    rewards,
    weights.map((w) => w - shrink(w, lambda)),
  );
  const spread = Math.log(2 / delta);
  let largest = 0;
  for (const w of weights) largest = Math.max(largest, w);
  const bias = Math.abs(meanOf(lost)) + Math.sqrt((2 * meanOf(weights.map((w) => w * w)) * spread) / n) + (2 * largest * spread) / (3 * n);
  return varianceOf(roundsOf(terms)) / n + bias * bias;
};

/** Over n, not n − 1. */
const varianceOf = (values: Float64Array): number => {
  const mean = meanOf(values);
  return meanOf(values.map((value) => (value - mean) ** 2));
};
