/** How sharply an action is judged: γ grows with its effective sample size, so exploration narrows as knowledge does. */

export interface GammaSchedule {
  /** γ of an action that nobody has seen. */
  readonly base: number;
  readonly factor: number;
  /** 0.5 is the theory's rate for a fixed class; rare acceptance and forgetting ask for more. */
  readonly exponent: number;
  readonly limit: number;
}

/** Tuned on a telco-like bandit of 20 actions and 1–15 % acceptance: docs/learning.md. */
export const DEFAULT_GAMMA_SCHEDULE: GammaSchedule = Object.freeze({ base: 5, factor: 8, exponent: 0.65, limit: 20_000 });

/** γ = min(limit, base + factor · n^exponent). @param effectiveN after forgetting; what is not positive counts as 0 */
export const gammaOf = (effectiveN: number, schedule: GammaSchedule = DEFAULT_GAMMA_SCHEDULE): number => {
  const n = effectiveN > 0 ? effectiveN : 0;
  return Math.min(schedule.limit, schedule.base + schedule.factor * Math.pow(n, schedule.exponent));
};
