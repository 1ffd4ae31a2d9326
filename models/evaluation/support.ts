/** How much of a log speaks of a policy: effective sample size, largest weight, and what lies outside support. */
import { importanceWeights, type LoggedRounds, type PerAction } from './logged-rounds.ts';

export interface Support {
  readonly rounds: number;
  /** (Σ w)² / Σ w² (Kong 1992): so many rounds of the policy itself would know as much. */
  readonly effectiveN: number;
  readonly largestWeight: number;
  /** Of Σ w, what the largest single weight has. */
  readonly largestShare: number;
  /** Mean of w: near 1 where the log covers the policy; 1 − what lies outside support. */
  readonly meanWeight: number;
  /** Of the policy's probability, what goes to actions that could not have been logged in their round: told by collectRounds, 0 here. */
  readonly outside: number;
}

export const supportOf = (log: LoggedRounds, policy: PerAction): Support => {
  const weights = importanceWeights(log, policy);
  let [sum, squares, largest] = [0, 0, 0];
  for (const w of weights) {
    sum += w;
    squares += w * w;
    largest = Math.max(largest, w);
  }
  return {
    rounds: weights.length,
    effectiveN: squares > 0 ? (sum * sum) / squares : 0,
    largestWeight: largest,
    largestShare: sum > 0 ? largest / sum : 0,
    meanWeight: sum / weights.length,
    outside: 0,
  };
};
