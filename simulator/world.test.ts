import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY_MS } from '#contracts';
import { createSchedule, createWorld } from './index.ts';
import type { World } from './index.ts';

const START_MS = Date.UTC(2026, 0, 5);
const ACTIONS = [
  'plan-upgrade',
  'plan-unlimited',
  'data-pass',
  'family-line',
  'device-upgrade',
  'trade-in',
  'phone-insurance',
  'watch-addon',
  'fiber-500',
  'fiber-1000',
  'tv-sport',
  'wifi-mesh',
  'streaming-bundle',
  'loyalty-discount',
  'contract-renewal',
  'payment-plan',
  'credit-adjustment',
  'bill-explanation',
  'network-check',
  'technician-visit',
  'security-check',
  'selfcare-tour',
  'roaming-pass',
  'esim-travel',
];

/** What uniform choice, the best single action, and the oracle would have earned over `decisions` touchpoints. */
const referencePolicies = (world: World, decisions: number) => {
  const byAction = new Float64Array(ACTIONS.length);
  let oracle = 0;
  let lowest = 1;
  let highest = 0;
  for (let i = 0; i < decisions; i++) {
    const shown = { ...world.touchpoint(), actionIds: ACTIONS, nowMs: START_MS + (i * 30 * DAY_MS) / decisions };
    const chances = world.oracle(shown);
    for (const [k, chance] of chances.entries()) byAction[k]! += chance / decisions;
    oracle += Math.max(...chances) / decisions;
    lowest = Math.min(lowest, ...chances);
    highest = Math.max(highest, ...chances);
    world.respond({ ...shown, actionIds: [ACTIONS[i % ACTIONS.length]!] });
  }
  const uniform = byAction.reduce((sum, value) => sum + value, 0) / ACTIONS.length;
  return { uniform, oracle, contextFree: Math.max(...byAction), lowest, highest };
};

describe('the simulated world', () => {
  test('the best action for everybody closes at most 0.4 of the gap between uniform choice and the oracle', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { uniform, oracle, contextFree, lowest, highest } = referencePolicies(
        createWorld({ seed, customers: 2_000, startMs: START_MS }),
        5_000,
      );
      const closed = (contextFree - uniform) / (oracle - uniform);
      console.log(`seed ${seed}: uniform ${uniform.toFixed(4)}, oracle ${oracle.toFixed(4)}, context-free closes ${closed.toFixed(3)}`);
      expect(closed).toBeLessThanOrEqual(0.4);
      expect(oracle).toBeGreaterThan(1.8 * uniform);
      expect(lowest).toBeGreaterThanOrEqual(0.01);
      expect(highest).toBeLessThanOrEqual(0.15);
    }
  });

  test('the same seed is the same world, and another seed is not', () => {
    const story = (seed: number) => {
      const world = createWorld({ seed, customers: 50, startMs: START_MS });
      const events = [...world.introductions(), ...world.events(START_MS + 3 * DAY_MS)];
      const touchpoint = world.touchpoint();
      return JSON.stringify([events, touchpoint, world.respond({ ...touchpoint, actionIds: ACTIONS, nowMs: START_MS })]);
    };
    expect(story(7)).toBe(story(7));
    expect(story(7)).not.toBe(story(8));
  });

  test('life is told once, in time order, however it is sliced', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10 * DAY_MS }), { minLength: 1, maxLength: 6 }), (cuts) => {
        const whole = [...createWorld({ seed: 3, customers: 30, startMs: START_MS }).events(START_MS + 10 * DAY_MS)];
        const sliced = createWorld({ seed: 3, customers: 30, startMs: START_MS });
        const told = [...cuts.toSorted((a, b) => a - b), 10 * DAY_MS].flatMap((cut) => [...sliced.events(START_MS + cut)]);
        expect(told).toEqual(whole);
        for (let i = 1; i < whole.length; i++) expect(whole[i]!.timeMs).toBeGreaterThanOrEqual(whole[i - 1]!.timeMs);
        expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
      }),
      { seed: 5, numRuns: 20 },
    );
  });

  test('customers accept as often as the oracle says, and never before they have seen the action', () => {
    const world = createWorld({ seed: 4, customers: 1_000, startMs: START_MS });
    let expected = 0;
    let accepted = 0;
    for (let i = 0; i < 20_000; i++) {
      const shown = { ...world.touchpoint(), actionIds: [ACTIONS[i % ACTIONS.length]!], nowMs: START_MS + i * 60_000 };
      expected += world.oracle(shown)[0]!;
      const responses = world.respond(shown);
      accepted += responses.filter(({ outcome }) => outcome === 'accepted').length;
      for (const { afterMs } of responses) expect(afterMs).toBeGreaterThanOrEqual(responses[0]!.afterMs);
    }
    expect(Math.abs(accepted - expected)).toBeLessThan(4 * Math.sqrt(expected));
  });

  test('showing the same thing again and again tires the customer', () => {
    const world = createWorld({ seed: 5, customers: 10, startMs: START_MS });
    const shown = { ...world.touchpoint(), actionIds: ['plan-upgrade'], nowMs: START_MS };
    const fresh = world.oracle(shown)[0]!;
    for (let i = 0; i < 10; i++) world.respond(shown);
    expect(world.oracle(shown)[0]!).toBeLessThan(fresh);
    expect(world.oracle({ ...shown, nowMs: START_MS + 120 * DAY_MS })[0]!).toBeGreaterThan(world.oracle(shown)[0]!);
  });
});

test('a schedule gives back in time order, first come first served', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const schedule = createSchedule<number>();
      for (const [order, atMs] of times.entries()) schedule.add(atMs, order);
      const taken: number[] = [];
      for (let next = schedule.take(100); next !== null; next = schedule.take(100)) taken.push(next.item);
      expect(taken).toEqual(
        times
          .map((atMs, order) => ({ atMs, order }))
          .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)
          .map(({ order }) => order),
      );
    }),
    { seed: 6 },
  );
});
