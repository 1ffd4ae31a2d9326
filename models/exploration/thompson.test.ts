import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactExp } from './exact-exp.ts';
import { found, normal, normalQuantile } from './normal-distribution.ts';
import { shareOfBest, thompsonDraws } from './thompson-draws.ts';
import { thompson } from './thompson.ts';
import { createUniformState, nextUniform, seedUniform } from './uniform-stream.ts';

/** P(best) by 4,000 even nodes over the whole of every arm (the midpoint rule converges faster than any power for these): slow, and sure. */
const reference = (means: readonly number[], errors: readonly number[]): number[] => {
  const low = Math.min(...means.map((m, i) => m - 8 * errors[i]!));
  const high = Math.max(...means.map((m, i) => m + 8 * errors[i]!));
  const steps = 4_000;
  const out = means.map(() => 0);
  for (let k = 0; k < steps; k++) {
    const x = low + ((high - low) * (k + 0.5)) / steps;
    const cdf = means.map((m, i) => phi((x - m) / errors[i]!));
    means.forEach((m, i) => {
      const z = (x - m) / errors[i]!;
      const density = Math.exp(-0.5 * z * z) / (errors[i]! * Math.sqrt(2 * Math.PI));
      let rest = density;
      for (let j = 0; j < means.length; j++) if (j !== i) rest *= cdf[j]!;
      out[i]! += (rest * (high - low)) / steps;
    });
  }
  return out;
};
/** Complementary error function by its continued fraction and series, apart from the code under test. */
const phi = (z: number): number => {
  if (z < 0) return 1 - phi(-z);
  let term = z;
  let sum = z;
  for (let n = 1; n < 60; n++) sum += term *= (-z * z * (2 * n - 1)) / (2 * n * (2 * n + 1));
  return z < 2.5 ? 0.5 + sum / Math.sqrt(2 * Math.PI) : 1 - tail(z);
};
const tail = (z: number): number => {
  let fraction = z;
  for (let n = 60; n > 0; n--) fraction = z + n / fraction;
  return Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI) / fraction;
};
const solve = (priorities: readonly number[], standardErrors: readonly number[]): Float64Array =>
  thompson({ count: priorities.length, priorities, standardErrors, gammas: [] }, new Float64Array(priorities.length));

describe('Thompson sampling by quadrature', () => {
  test('agrees with a dense integral to 1e-6', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.02, max: 0.6, noNaN: true })), {
          minLength: 2,
          maxLength: 8,
        }),
        (rows) => {
          const expected = reference(
            rows.map(([m]) => m),
            rows.map(([, e]) => e),
          );
          solve(
            rows.map(([m]) => m),
            rows.map(([, e]) => e),
          ).forEach((p, i) => expect(Math.abs(p - expected[i]!)).toBeLessThan(1e-6));
        },
      ),
      { seed: 51, numRuns: 20 },
    );
  });

  test('two arms have the closed form Φ((μ₁ − μ₂) / √(σ₁² + σ₂²)), also when one is a million times narrower', () => {
    for (const [d, a, b] of [
      [0, 1, 1],
      [0.3, 1, 0.5],
      [-0.7, 0.2, 0.9],
      [0.2, 1, 1e-3],
      [0.2, 1, 1e-6],
      [-1.1, 1e-6, 1],
      [3, 1, 1],
    ] as const)
      expect(Math.abs(solve([d, 0], [a, b])[0]! - phi(d / Math.hypot(a, b)))).toBeLessThan(1e-6);
  });

  test('an arm that is known exactly is a threshold, ties of such arms share, and the lower ones are never best', () => {
    const p = solve([0.5, 0.5, 0.2, 0.4], [0, 0, 0, 0.1]);
    expect(p[3]).toBeCloseTo(phi(-1), 6);
    expect(p[0]).toBe(p[1]);
    expect(p[0]).toBeCloseTo((1 - phi(-1)) / 2, 6);
    expect(p[2]).toBe(0);
    expect([...solve([1, 2, 2], [0, 0, 0])]).toEqual([0, 0.5, 0.5]);
  });

  test('agrees with draws, within their error', () => {
    const means = [0.5, 0.45, 0.4, 0.1];
    const errors = [0.05, 0.1, 0.02, 0.3];
    const state = createUniformState();
    seedUniform(state, 52);
    // One of the arms is integrated out exactly: P(arm 0 is below x) stands for its draw, which halves the noise.
    const rounds = 600_000;
    let below = 0;
    for (let k = 0; k < rounds; k++) {
      let best = -Infinity;
      for (let i = 1; i < 4; i++) best = Math.max(best, means[i]! + errors[i]! * normalQuantile(nextUniform(state)));
      normal(Math.min(6.49, Math.max(-5.5, (best - means[0]!) / errors[0]!)));
      below += 1 - found[0]!;
    }
    expect(Math.abs(solve(means, errors)[0]! - below / rounds)).toBeLessThan(8e-4);
  });
});

describe('Thompson sampling by draws', () => {
  const share = (correlation: number, seed: number, draws: number) =>
    thompsonDraws(
      { count: 3, priorities: [0.5, 0.4, 0.3], standardErrors: [0.2, 0.2, 0.2], gammas: [] },
      { draws, correlation, seed },
      new Float64Array(3),
    );

  test('without correlation it is what the quadrature says', () => {
    const exact = solve([0.5, 0.4, 0.3], [0.2, 0.2, 0.2]);
    share(0, 53, 50_000).forEach((p, i) => expect(Math.abs(p - exact[i]!)).toBeLessThan(0.01));
  });

  test('errors that all arms share decide nothing', () => {
    expect([...share(1, 54, 1_000)]).toEqual([1, 0, 0]);
    expect(share(0.8, 54, 10_000)[0]).toBeGreaterThan(share(0, 54, 10_000)[0]! + 0.1);
  });

  test('any joint posterior can be drawn from', () => {
    let k = 0;
    expect([
      ...shareOfBest((worths) => worths.set([k % 4 === 0 ? 1 : 0, 0.5, k++ % 2 === 0 ? 0 : 0.5]), 3, 1_000, new Float64Array(3)),
    ]).toEqual([0.25, 0.5, 0.25]);
  });
});

describe('arithmetic that is the same on every machine', () => {
  test('exp to 1e-15', () => {
    for (let x = -700; x <= 700; x += 0.731) expect(Math.abs(exactExp(x) / Math.exp(x) - 1)).toBeLessThan(2e-15);
    expect([exactExp(-1e9), exactExp(1e9), exactExp(NaN), exactExp(0)]).toEqual([0, Infinity, NaN, 1]);
  });

  test('the normal distribution to 1e-10, and its quantile to 1e-6', () => {
    for (let z = -5.5; z < 6.5; z += 0.0173) {
      normal(z);
      expect(Math.abs(found[0]! - phi(z))).toBeLessThan(1e-10);
      expect(Math.abs(found[1]! - Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI))).toBeLessThan(1e-9);
      if (z > -5 && z < 5) expect(Math.abs(normalQuantile(found[0]!) - z)).toBeLessThan(1e-5);
    }
    expect(normalQuantile(0)).toBe(-5.5);
    expect(normalQuantile(1)).toBeGreaterThan(6);
  });
});
