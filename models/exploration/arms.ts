/** What a policy is asked: candidates on one scale, with what is known of each. */

export interface Arms {
  readonly count: number;
  /** Higher is better; any scale. Not a number counts as the lowest. */
  readonly priorities: ArrayLike<number>;
  /** One an arm, ≥ 0: how sharply it is judged (gamma-schedule.ts). */
  readonly gammas: ArrayLike<number>;
  /** Of the priorities, on their scale; 0 is known exactly; what is not a number counts as 0. */
  readonly standardErrors: ArrayLike<number>;
}

/** A policy as a receipt records it: a name that always means the same computation, and all that it depends on besides the arms. */
export interface ResolvedPolicy {
  readonly name: string;
  readonly parameters: readonly number[];
}

/** Writes the probabilities of the first `count` arms, which sum to 1. Equal arms have equal probabilities. */
export type Distribute = (arms: Arms, parameters: readonly number[], seed: number, out: Float64Array) => Float64Array;
