import { expect, test } from 'vitest';
import { judgePromotion, type PromotionEvidence } from './index.ts';

const calibrated = (error: number) => ({ rows: 5_000, error, chance: 0.005, bins: [] });
const good: PromotionEvidence = {
  difference: { value: 0.012, low: 0.004, high: 0.02, level: 0.95 },
  champion: 0.2,
  support: { rounds: 5_000, effectiveN: 900, largestWeight: 30, largestShare: 0.006, meanWeight: 1.01, outside: 0.1 },
  championOutside: 0.1,
  calibration: { challenger: calibrated(0.01), champion: calibrated(0.012) },
  latency: { decisions: 2_000, challengerP99Us: 210, championP99Us: 200 },
};
const failing = (change: Partial<PromotionEvidence>): readonly string[] =>
  judgePromotion({ ...good, ...change })
    .conditions.filter(({ holds }) => !holds)
    .map(({ name }) => name);

test('a challenger whose every condition holds is promoted, and each condition says what was found', () => {
  const judged = judgePromotion(good);
  expect(judged.promotes).toBe(true);
  expect(judged.conditions.map(({ name, holds }) => [name, holds])).toEqual([
    ['value', true],
    ['support', true],
    ['calibration', true],
    ['latency', true],
  ]);
  expect(judged.conditions[0]!.found).toBe(
    "the challenger is worth +0.012 a decision more than the champion (+6.0 % of the champion's 0.2), 95 % interval +0.004 to +0.02; its lower bound is above 0",
  );
  expect(judged.figures).toMatchObject({ difference: 0.012, low: 0.004, decisions: 5_000, calibrationError: 0.01 });
});

test('one condition that fails keeps the champion, and the report names just that one', () => {
  expect(failing({ difference: { ...good.difference, low: -0.001 } })).toEqual(['value']);
  expect(failing({ difference: { ...good.difference, low: 0 } })).toEqual(['value']);
  expect(failing({ difference: { ...good.difference, low: NaN } })).toEqual(['value']);
  expect(failing({ support: { ...good.support, rounds: 300 } })).toEqual(['support']);
  expect(failing({ support: { ...good.support, effectiveN: 40 } })).toEqual(['support']);
  expect(failing({ support: { ...good.support, largestShare: 0.2 } })).toEqual(['support']);
  expect(failing({ support: { ...good.support, outside: 0.3 } })).toEqual(['support']);
  expect(failing({ calibration: { challenger: calibrated(0.05), champion: calibrated(0.01) } })).toEqual(['calibration']);
  expect(failing({ latency: null })).toEqual(['latency']);
  expect(failing({ latency: { ...good.latency!, challengerP99Us: 400 } })).toEqual(['latency']);
});

test('a lower bound above −ε is enough where a reason is given, and the reason is told', () => {
  const evidence = { ...good, difference: { value: 0.001, low: -0.004, high: 0.006, level: 0.95 } };
  expect(judgePromotion(evidence, { epsilon: 0.005 }).promotes).toBe(true);
  const told = judgePromotion(evidence, { epsilon: 0.002, reason: 'half the memory' });
  expect(told.promotes).toBe(false);
  expect(told.conditions[0]!.found).toContain('not above −0.002 (half the memory)');
});

test('a champion that is badly calibrated itself does not hold a challenger to more than that', () => {
  expect(failing({ calibration: { challenger: calibrated(0.05), champion: calibrated(0.06) } })).toEqual([]);
});
