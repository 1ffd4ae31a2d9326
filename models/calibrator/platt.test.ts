import { expect, test } from 'vitest';
import { logit, Platt, sigmoid } from './platt.ts';

const scores = Array.from({ length: 64 }, (_, i) => -5 + i / 16);

/** Outcomes of probability σ(a·u + c), in expectation. */
const fitted = (a: number, c: number): Platt => {
  const platt = new Platt();
  for (const u of scores) for (let i = 0; i < 100; i++) platt.learn(u, 1, sigmoid(a * u + c));
  for (let i = 0; i < 5; i++) platt.fit(1);
  return platt;
};

test('without outcomes it is the identity', () => {
  const platt = new Platt();
  platt.fit(1);
  expect([platt.slope, platt.shift]).toEqual([1, 0]);
});

test('finds the slope and the shift of outcomes that were overconfident or biased', () => {
  const { slope, shift } = fitted(0.6, -0.5);
  expect(slope).toBeCloseTo(0.6, 0);
  expect(sigmoid(slope * -2 + shift)).toBeCloseTo(sigmoid(0.6 * -2 - 0.5), 1);
});

test('never turns the order around, even when outcomes do', () => {
  expect(fitted(-1, 0).slope).toBeGreaterThanOrEqual(0.2);
});

test('a correction is as if the outcome had been known at once', () => {
  const late = new Platt();
  const atOnce = new Platt();
  for (const u of scores) {
    late.learn(u, 1, 0);
    atOnce.learn(u, 1, 1);
    late.correct(u, 1);
  }
  late.fit(1);
  atOnce.fit(1);
  expect([late.slope, late.shift]).toEqual([atOnce.slope, atOnce.shift]);
});

test('logit undoes sigmoid', () => {
  expect(logit(sigmoid(-3))).toBeCloseTo(-3, 12);
});
