import { expect, test } from 'vitest';
import { areaUnderCurve, calibration, calibrationError, logLoss } from './metrics.ts';

const rows = (pairs: readonly (readonly [number, boolean])[]) => pairs.map(([predicted, truth]) => ({ predicted, truth }));

test('AUC counts pairs in the right order, and ties as half', () => {
  expect(
    areaUnderCurve(
      rows([
        [0.1, false],
        [0.4, false],
        [0.35, true],
        [0.8, true],
      ]),
    ),
  ).toBe(0.75);
  expect(
    areaUnderCurve(
      rows([
        [0.5, false],
        [0.5, true],
      ]),
    ),
  ).toBe(0.5);
});

test('log-loss is the mean negative log-likelihood, and finite at certainty', () => {
  expect(
    logLoss(
      rows([
        [0.5, true],
        [0.5, false],
      ]),
    ),
  ).toBeCloseTo(Math.LN2, 12);
  expect(logLoss(rows([[0, true]]))).toBeLessThan(14);
});

test('predictions that come true in each bin have no calibration error', () => {
  const perfect = rows([
    ...Array.from({ length: 100 }, (_, i) => [0.25, i % 4 === 0] as const),
    ...Array.from({ length: 100 }, (_, i) => [0.5, i % 2 === 0] as const),
  ]);
  expect(calibrationError(calibration(perfect, 2))).toBeCloseTo(0, 12);
});
