/** How sharply an action is judged: γ grows with its effective sample size, so exploration narrows as knowledge does. */

export interface GammaSchedule {
  /** γ of an action that nobody has seen. */
  readonly base: number;
  readonly factor: number;
  /** 0.5 is the theory's rate for a fixed class; rare acceptance and forgetting ask for more. */
  readonly exponent: number;
  readonly limit: number;
}

/**
 * Chosen in the simulated telecom world (`bench:learning`: about 29 actions, 1–15 % acceptance) on its seeds 101–105 by trying factors 8,
 * 20, 60, 200, 400 and 800; seeds 1–5 had no part in it. From about 140 showings of an action on, its limit holds.
 */
export const DEFAULT_GAMMA_SCHEDULE: GammaSchedule = Object.freeze({ base: 5, factor: 800, exponent: 0.65, limit: 20_000 });

/** γ = min(limit, base + factor · n^exponent). @param effectiveN after forgetting; what is not positive counts as 0 */
export const gammaOf = (effectiveN: number, schedule: GammaSchedule = DEFAULT_GAMMA_SCHEDULE): number => {
  const n = effectiveN > 0 ? effectiveN : 0;
  return Math.min(schedule.limit, schedule.base + schedule.factor * Math.pow(n, schedule.exponent));
};

/** The effective sample size at which `gammaOf` is γ: what a receipt's γ says of it. From the limit on it may have been any larger one. */
export const sampleSizeOf = (gamma: number, { base, factor, exponent, limit }: GammaSchedule = DEFAULT_GAMMA_SCHEDULE): number => {
  const excess = Math.min(gamma, limit) - base;
  return excess > 0 && factor > 0 && exponent > 0 ? Math.pow(excess / factor, 1 / exponent) : 0;
};
