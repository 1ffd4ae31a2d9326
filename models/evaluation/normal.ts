/** The standard normal distribution, as intervals need it. */
import { found, normal, NORMAL_BOTTOM, NORMAL_TOP, normalQuantile } from '../exploration/normal-distribution.ts';

export { normalQuantile };

/** Φ(z), to 1e-8. */
export const normalDistribution = (z: number): number => {
  if (!(z >= NORMAL_BOTTOM)) return 0;
  if (z >= NORMAL_TOP) return 1;
  normal(z);
  return found[0]!;
};
