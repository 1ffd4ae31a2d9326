/** From a rate that a linear model estimates, which may lie outside (0, 1), to a probability: a smooth clamp that leaves the middle alone. */

/** Width of the bend at both ends; rates that matter lie several of it away from them. */
const BEND = 0.0025;
const FLOOR = 1e-6;

/**
 * τ (softplus(q/τ) − softplus((q−1)/τ)): never decreasing, strictly between 0 and 1, and q itself, to float32, where q lies 20 τ away from
 * both ends.
 */
export const clampRate = (q: number): number => {
  const p = BEND * (softplus(q / BEND) - softplus((q - 1) / BEND));
  return Math.min(1 - FLOOR, Math.max(FLOOR, p));
};

const softplus = (z: number): number => (z > 30 ? z : Math.log1p(Math.exp(z)));
