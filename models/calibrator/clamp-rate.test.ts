import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clampRate } from './clamp-rate.ts';

test('a clamped rate is a probability, and a larger rate never becomes a smaller one', () => {
  const rate = fc.double({ min: -5, max: 5, noNaN: true });
  fc.assert(
    fc.property(rate, rate, (a, b) => {
      const [low, high] = [clampRate(Math.min(a, b)), clampRate(Math.max(a, b))];
      expect(low).toBeGreaterThan(0);
      expect(high).toBeLessThan(1);
      expect(low).toBeLessThanOrEqual(high);
    }),
    { seed: 21 },
  );
});

test('rates away from the ends are left alone', () => {
  for (const rate of [0.05, 0.3, 0.5, 0.95]) expect(clampRate(rate)).toBeCloseTo(rate, 10);
});
