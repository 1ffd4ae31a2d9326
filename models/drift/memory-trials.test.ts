import { UNKNOWN_CUSTOMER, type Experience } from '#contracts';
import { expect, test } from 'vitest';
import { createUniformState, nextUniform, seedUniform } from '../exploration/index.ts';
import type { EncoderSpec } from '../encoder/spec.ts';
import { createLearner } from '../learner.ts';
import { createMemoryTrials } from './memory-trials.ts';

const NOW = 1_760_000_000_000;
const HOUR_MS = 3_600_000;
const encoder: EncoderSpec = { kind: 'declared', fields: [], profile: [], crosses: [], priorRate: 0.3 };
/** One row an hour, 3,000 rows: four months. */
const rowsOf = (seed: number, target: (i: number, arm: number, uniform: number) => number) => {
  const uniforms = createUniformState();
  seedUniform(uniforms, seed);
  return Array.from({ length: 3_000 }, (_, i) => {
    const arm = Math.floor(nextUniform(uniforms) * 3);
    const decidedAtMs = NOW + i * HOUR_MS;
    const view = { ...UNKNOWN_CUSTOMER, known: true };
    const experience: Experience = {
      decisionId: `d${i}`,
      rank: 1,
      request: { view, context: {}, channel: 'app', direction: 'inbound', placement: null, nowMs: decidedAtMs },
      action: { id: `arm-${arm}`, features: {} },
      probability: 1 / 3,
      propensity: 0.3,
      decidedAtMs,
    };
    return { experience, target: target(i, arm, nextUniform(uniforms)) };
  });
};
const choose = (rows: ReturnType<typeof rowsOf>) => {
  const trials = createMemoryTrials({
    memories: [60, 3, 365],
    createLearner: (halfLifeDays) => createLearner({ encoder, loop: '', halfLifeDays }),
    areRates: true,
    warmUp: Math.min(500, rows.length / 2),
  });
  for (const { experience, target } of rows) trials.add(experience, target);
  return trials.choose();
};

test('a world that stays the same keeps the long memory, one that turns round every 20 days takes the short one', () => {
  const steady = choose(rowsOf(71, (_, arm, u) => (u < [0.1, 0.3, 0.5][arm]! ? 1 : 0)));
  expect(steady.memory).toBe(60);
  expect(steady.trials[1]!.excess).toBeGreaterThan(0);
  const turning = choose(rowsOf(72, (i, arm, u) => (u < [0.1, 0.1, 0.8][(arm + Math.floor(i / 480)) % 3]! ? 1 : 0)));
  expect(turning.memory).toBe(3);
  expect(turning.trials.find(({ memory }) => memory === 365)!.excess).toBeGreaterThan(0.02);
  expect(turning.rows).toBe(2_500);
});

test('the first one stays while the others are not clearly better, and a handful of rows decides nothing', () => {
  const { memory, trials } = choose(rowsOf(73, (_, arm, u) => (u < [0.1, 0.3, 0.5][arm]! ? 1 : 0)).slice(0, 60));
  expect(memory).toBe(60);
  expect(trials).toHaveLength(3);
});
