/** Thompson sampling where the arms' errors are correlated: how often each is the best in draws of all together from their posterior. */
import type { Arms } from './arms.ts';
import { normalQuantile } from './normal-distribution.ts';
import { createUniformState, nextUniform, seedUniform } from './uniform-stream.ts';

export const LEAST_DRAWS = 1_000;

/**
 * @param draw writes one sample of all arms' worths
 * @param out the share of draws in which each was the best; ties share
 */
export const shareOfBest = (draw: (worths: Float64Array) => void, count: number, draws: number, out: Float64Array): Float64Array => {
  const worths = new Float64Array(count);
  out.fill(0, 0, count);
  for (let k = 0; k < draws; k++) {
    draw(worths);
    let best = -Infinity;
    let tied = 0;
    for (let i = 0; i < count; i++) {
      if (worths[i]! > best) {
        best = worths[i]!;
        tied = 1;
      } else if (worths[i] === best) tied++;
    }
    for (let i = 0; i < count; i++) if (worths[i] === best) out[i] = out[i]! + 1 / tied;
  }
  for (let i = 0; i < count; i++) out[i] = out[i]! / draws;
  return out;
};

const uniforms = createUniformState();
/** The choice is drawn from the same seed, and must not depend on how the probabilities came about. */
const SALT = 0x1f123bb500000;

/**
 * Worth of an arm: mean + error · (√ρ · common + √(1−ρ) · its own), all standard normal: what the shared part of the model gets wrong, it gets
 * wrong for all arms. An arm that is never best still has the floor. Standard error √(p (1 − p) / draws), at most 0.016 at 1,000 draws;
 * for independent arms thompson.ts is exact and quicker.
 */
export const thompsonDraws = (
  arms: Arms,
  options: { readonly draws: number; readonly correlation: number; readonly seed: number },
  out: Float64Array,
): Float64Array => {
  const { count, priorities, standardErrors } = arms;
  const shared = Math.sqrt(options.correlation);
  const own = Math.sqrt(1 - options.correlation);
  const means = Float64Array.from({ length: count }, (_, i) => clamp(priorities[i]!));
  const errors = Float64Array.from({ length: count }, (_, i) => (standardErrors[i]! > 0 ? Math.min(standardErrors[i]!, LIMIT) : 0));
  seedUniform(uniforms, (options.seed + SALT) % 2 ** 53);
  return symmetrise(
    arms,
    shareOfBest(
      (worths) => {
        const common = shared * normalQuantile(nextUniform(uniforms));
        for (let i = 0; i < count; i++) {
          const e = errors[i]!;
          worths[i] = means[i]! + (e === 0 ? 0 : e * (common + own * normalQuantile(nextUniform(uniforms))));
        }
      },
      count,
      Math.max(LEAST_DRAWS, Math.floor(options.draws)),
      out,
    ),
  );
};

/** Equal arms are drawn with luck of their own; what they have together is shared evenly. */
const symmetrise = ({ count, priorities, standardErrors }: Arms, out: Float64Array): Float64Array => {
  const sums = new Map<string, { sum: number; size: number }>();
  const keyOf = (i: number): string => `${priorities[i]}/${standardErrors[i]}`;
  for (let i = 0; i < count; i++) {
    const same = sums.get(keyOf(i));
    if (same === undefined) sums.set(keyOf(i), { sum: out[i]!, size: 1 });
    else {
      same.sum += out[i]!;
      same.size++;
    }
  }
  if (sums.size === count) return out;
  for (let i = 0; i < count; i++) {
    const { sum, size } = sums.get(keyOf(i))!;
    out[i] = sum / size;
  }
  return out;
};

const LIMIT = 1e300;
const clamp = (p: number): number => (p > LIMIT ? LIMIT : p >= -LIMIT ? p : -LIMIT);
