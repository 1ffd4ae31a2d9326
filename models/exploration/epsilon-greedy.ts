/** ε-greedy with decay: with ε an arm at random, else the best; ε falls as 1/n (Auer, Cesa-Bianchi & Fischer 2002, Theorem 3). */
import { applyFloor } from './apply-floor.ts';
import { greedy } from './baselines.ts';

export const epsilonGreedy = (priorities: ArrayLike<number>, count: number, epsilon: number, out: Float64Array): Float64Array =>
  applyFloor(greedy(priorities, count, out), count, epsilon / count);

export interface EpsilonSchedule {
  /** Of a model that knows nothing. */
  readonly epsilon: number;
  /** The effective sample size at which half of it is left; Infinity: no decay. */
  readonly decay: number;
  /** It never falls below this. */
  readonly least: number;
}

/** ε(n) = max(least, ε · decay / (decay + n)). @param effectiveN of the whole model, after forgetting: it stops falling where the model forgets */
export const epsilonOf = ({ epsilon, decay, least }: EpsilonSchedule, effectiveN: number): number => {
  const n = effectiveN > 0 ? effectiveN : 0;
  return Math.max(least, decay === Infinity ? epsilon : (epsilon * decay) / (decay + n));
};
