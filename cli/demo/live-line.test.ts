import { expect, test } from 'vitest';
import { liveLine } from './live-line.ts';
import { createLatencies, differenceOfProportions } from './rates.ts';

test('the live line names rates, lift with its interval, model and latencies', () => {
  const line = liveLine({
    decisionsPerSecond: 39.7,
    model: { successes: 80, trials: 1_000 },
    random: { successes: 2, trials: 50 },
    modelVersion: '0123456789abcdef',
    snapshot: 7,
    p50Ms: 2.04,
    p99Ms: 9.96,
    failures: 0,
  });
  expect(line).toMatchInlineSnapshot(
    `"40 decisions/s · accepted 8.0 % model, 4.0 % random, lift +4.0 [−4.2, +8.9] · model 01234567#7 · p50 2.0 p99 10.0 ms"`,
  );
});

test('an interval of nothing spans nearly everything', () => {
  const { low, high } = differenceOfProportions({ successes: 0, trials: 0 }, { successes: 0, trials: 0 });
  expect(low).toBeLessThan(-0.9);
  expect(high).toBeGreaterThan(0.9);
});

test('quantiles are of the latest answers only', () => {
  const latencies = createLatencies(3);
  for (const ms of [100, 1, 2, 3]) latencies.add(ms);
  expect([latencies.quantile(0), latencies.quantile(0.5), latencies.quantile(0.99)]).toEqual([1, 2, 3]);
});
