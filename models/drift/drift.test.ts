import { UNKNOWN_CUSTOMER, type CustomerView, type ScoringRequest } from '#contracts';
import { describe, expect, test } from 'vitest';
import { createUniformState, nextUniform, seedUniform } from '../exploration/index.ts';
import { createDriftWatch } from './drift-watch.ts';
import { InputDrift } from './input-drift.ts';
import { MemoryRace } from './memory-race.ts';
import { ShiftDetector } from './shift-detector.ts';

const uniforms = createUniformState();
const next = (): number => nextUniform(uniforms);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

describe('a shift of rewards', () => {
  /** Outcomes until the first alarm; null: none. */
  const firstAlarm = (outcomes: number, outcome: (i: number) => readonly [number, number], isRate = true, options = {}): number | null => {
    const detector = new ShiftDetector({ warmUp: 0, ...options });
    for (let i = 0; i < outcomes; i++) {
      const [expected, actual] = outcome(i);
      if (detector.observe(expected, actual, isRate)) return i;
    }
    return null;
  };

  test('false alarms come no more often than once in 10,000 outcomes where that was asked for, for rates of every size', () => {
    let alarms = 0;
    const runs = 200;
    for (let run = 0; run < runs; run++) {
      seedUniform(uniforms, 700 + run);
      const found = firstAlarm(
        2_000,
        () => {
          const p = run % 2 === 0 ? 0.02 + 0.05 * next() : next();
          return [p, next() < p ? 1 : 0];
        },
        true,
        { outcomesPerFalseAlarm: 10_000, tolerance: 0 },
      );
      if (found !== null) alarms++;
    }
    // P(alarm within n) is at most n / A = 0.2.
    expect(alarms / runs).toBeLessThanOrEqual(0.2);
  });

  test('at the default, 100 streams of 20,000 calibrated outcomes raise no more than 20 alarms, nor do those slightly miscalibrated', () => {
    let alarms = 0;
    for (let run = 0; run < 100; run++) {
      seedUniform(uniforms, 900 + run);
      const off = run % 2 === 0 ? 1 : 1.15;
      if (firstAlarm(20_000, () => [0.1, next() < 0.1 * off ? 1 : 0]) !== null) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(20);
  });

  test.each([
    ['a rate of 0.5 that falls to 0.3', 0.5, 0.3, 400],
    ['a rate of 0.05 that doubles', 0.05, 0.1, 1_500],
    ['a rate of 0.05 that halves', 0.05, 0.025, 6_000],
  ])('is found soon: %s', (_, before, after, within) => {
    const delays: number[] = [];
    for (let run = 0; run < 20; run++) {
      seedUniform(uniforms, 1_100 + run);
      const found = firstAlarm(30_000, (i) => [before, next() < (i < 5_000 ? before : after) ? 1 : 0]);
      expect(found).toBeGreaterThan(5_000);
      delays.push(found! - 5_000);
    }
    expect(delays.toSorted((a, b) => a - b)[10]).toBeLessThan(within);
  });

  test('of rewards on any scale as well', () => {
    for (const scale of [1e-6, 1, 1e9]) {
      seedUniform(uniforms, 1_200);
      const found = firstAlarm(10_000, (i) => [0, scale * (normal() + (i < 4_000 ? 0 : 1.5))], false);
      expect(found).toBeGreaterThan(4_000);
      expect(found).toBeLessThan(4_600);
    }
    expect(firstAlarm(10, () => [NaN, Infinity])).toBeNull();
  });
});

const requestOf = (
  attributes: CustomerView['attributes'],
  features: readonly number[],
  context: ScoringRequest['context'] = {},
): ScoringRequest => ({
  view: {
    ...UNKNOWN_CUSTOMER,
    known: true,
    attributes,
    features: Float32Array.from(features),
    featureNames: features.map((_, i) => `f${i}`),
  },
  context,
  channel: 'app',
  direction: 'inbound',
  placement: null,
  nowMs: 0,
});
const plans = ['basic', 'standard', 'premium', 'unlimited'];
const usual = (): ScoringRequest =>
  requestOf(
    { plan: plans[Math.floor(next() * next() * 4)]!, tenure: Math.floor(next() * 100) },
    [normal(), next() < 0.7 ? 0 : 5 * next(), Math.exp(normal())],
    next() < 0.5 ? { page: 'bill' } : {},
  );

describe('a drift of inputs', () => {
  test('without one, about one window in a hundred has a field beyond its critical value', () => {
    let windows = 0;
    let beyond = 0;
    for (let run = 0; run < 30; run++) {
      seedUniform(uniforms, 1_300 + run);
      const drift = new InputDrift({ windowRows: 500, leastPsi: 0 });
      for (let i = 0; i < 500 * 9; i++) {
        drift.observe(usual());
        if (i % 500 !== 499 || i < 500) continue;
        windows++;
        if (drift.latest.some(({ drifted }) => drifted)) beyond++;
      }
    }
    expect(windows).toBe(240);
    expect(beyond / windows).toBeLessThanOrEqual(0.03);
  });

  test('is named by its field: a plan that becomes rare, a number that moves, a field that goes missing, one that nobody had', () => {
    seedUniform(uniforms, 1_400);
    const drifted = (change: (request: ScoringRequest) => ScoringRequest): string[] => {
      const drift = new InputDrift({ windowRows: 1_000 });
      const found: string[] = [];
      for (let i = 0; i < 5_000; i++) found.push(...drift.observe(i < 4_000 ? usual() : change(usual())).map(({ field }) => field));
      return found;
    };
    const { view } = usual();
    expect(drifted((request) => request)).toEqual([]);
    expect(drifted(({ view: of, context }) => requestOf({ ...of.attributes, plan: 'basic' }, [...of.features], context))).toEqual([
      'attribute.plan',
    ]);
    expect(
      drifted(({ view: of, context }) => requestOf(of.attributes, [of.features[0]! + 0.7, of.features[1]!, of.features[2]!], context)),
    ).toEqual(['feature.f0']);
    expect(drifted(({ view: of }) => requestOf(of.attributes, [...of.features]))).toEqual(['context.page']);
    expect(drifted(({ view: of, context }) => requestOf(of.attributes, [...of.features], { ...context, campaign: 'x' }))).toEqual([
      'context.campaign',
    ]);
    expect(view.featureNames.length).toBe(3);
  });

  test('odd values count as absent or as what they are, and harm nothing', () => {
    const drift = new InputDrift({ windowRows: 10 });
    for (let i = 0; i < 40; i++)
      drift.observe(requestOf({ a: i % 2 === 0 ? NaN : 'x', b: true, c: i === 0 ? 3 : 'text' }, [Infinity, -Infinity, NaN]));
    for (const { psi } of drift.latest) expect(psi).not.toBeNaN();
  });
});

describe('the memory that suits', () => {
  const best = (rateAt: (i: number, arm: number) => number, outcomes = 12_000): number | null => {
    seedUniform(uniforms, 1_500);
    const race = new MemoryRace();
    for (let i = 0; i < outcomes; i++) {
      const arm = Math.floor(next() * 4);
      race.observe(`${arm}`, next() < rateAt(i, arm) ? 1 : 0);
    }
    return race.best;
  };

  test('is long where nothing changes, and short where the best arm changes every 800 outcomes', () => {
    expect(best((_, arm) => [0.1, 0.3, 0.5, 0.7][arm]!)).toBeGreaterThanOrEqual(10_000);
    expect(best((i, arm) => [0.1, 0.1, 0.1, 0.8][(arm + Math.floor(i / 800)) % 4]!)).toBeLessThanOrEqual(300);
    expect(best(() => 0.5, 900)).toBeNull();
  });
});

test('a watch reports all of it', () => {
  seedUniform(uniforms, 1_600);
  const watch = createDriftWatch({ every: 1, inputs: { windowRows: 500 } });
  let alarmed = 0;
  for (let i = 0; i < 3_000; i++) {
    watch.input(usual());
    if (watch.outcome('a', 0.5, next() < (i < 1_500 ? 0.5 : 0.1) ? 1 : 0)) alarmed++;
  }
  const { report } = watch;
  expect(alarmed).toBe(report.rewardAlarms);
  expect(report.rewardAlarms).toBeGreaterThan(0);
  expect(report.rewardShift).toBeLessThan(-0.2);
  expect(report.inputAlarms).toBe(0);
  expect(report.fields.length).toBeGreaterThan(5);
});
