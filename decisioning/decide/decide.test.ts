import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS } from '#contracts';
import { loadProject } from '#project';
import { DEGRADED, compileCatalog, decide, groupOf, stageName, STAGE } from '../index.ts';
import type { DecideInput } from '../index.ts';
import { NOW, createInput, createTestScorer, createView } from '../testing/fixtures.ts';

const catalog = compileCatalog(loadProject(fileURLToPath(new URL('../../catalog/telco', import.meta.url))));
const stage = (input: DecideInput, actionId: string): string | null => stageName(decide(input).stages[catalog.indexOf.get(actionId)!]!);

const attributes = fc.record(
  {
    plan: fc.constantFrom('prepaid', 'basic', 'standard', 'premium', 'unlimited'),
    tenureMonths: fc.integer({ min: 0, max: 200 }),
    segment: fc.constantFrom('consumer', 'business'),
    deviceAgeMonths: fc.integer({ min: 0, max: 60 }),
    deviceTier: fc.constantFrom('low', 'mid', 'high'),
    openComplaint: fc.boolean(),
    outageNow: fc.boolean(),
    paymentOverdue: fc.boolean(),
    consentMarketing: fc.boolean(),
    creditClass: fc.constantFrom('A', 'B', 'C'),
    contractMonthsLeft: fc.integer({ min: 0, max: 24 }),
  },
  { requiredKeys: [] },
);
const views = fc
  .record({
    key: fc.integer({ min: 0, max: 1e9 }).map((n) => n.toString(16).padStart(32, '0')),
    attributes,
    features: fc.dictionary(
      fc.constantFrom('calls30d', 'outages30d', 'overage90d', 'cancelViews30d', 'roamingDays30d', 'unresolved30d', 'networkDrops7d'),
      fc.integer({ min: 0, max: 9 }),
    ),
    contacts: fc.array(
      fc.record({
        atMs: fc.integer({ min: NOW - 20 * DAY_MS, max: NOW }),
        channel: fc.constantFrom('app', 'sms', 'email'),
        direction: fc.constantFrom('inbound' as const, 'outbound' as const),
        actionId: fc.constantFrom('fiber-500', 'music-pass', 'gone'),
      }),
      { maxLength: 20 },
    ),
    pairs: fc.dictionary(
      fc.constantFrom('fiber-500', 'music-pass', 'device-upgrade'),
      fc.record({
        shown: fc.nat(9),
        accepted: fc.nat(2),
        lastShownMs: fc.constantFrom(0, NOW - DAY_MS),
        lastRejectedMs: fc.constantFrom(0, NOW - 5 * DAY_MS),
      }),
    ),
  })
  .map(createView);
const inputs: fc.Arbitrary<DecideInput> = fc
  .record({
    view: views,
    face: fc.constantFrom(
      ['app', 'inbound'],
      ['web', 'inbound'],
      ['callCenter', 'inbound'],
      ['callCenter', 'outbound'],
      ['sms', 'outbound'],
      ['email', 'outbound'],
    ),
    placement: fc.constantFrom(null, null, 'home-hero', 'bill-page', 'nowhere'),
    limit: fc.integer({ min: 1, max: 5 }),
    seed: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
    group: fc.constantFrom('model' as const, 'model' as const, 'random' as const, 'untouched' as const),
    readFailed: fc.constantFrom(false, false, false, true),
    withModel: fc.boolean(),
    scorerSeed: fc.nat(),
    allowNone: fc.boolean(),
    page: fc.constantFrom('home', 'bill', 'cancel'),
    controls: fc.option(
      fc.record({
        stopOutbound: fc.boolean(),
        pausedActions: fc.subarray(['fiber-500', 'music-pass', 'help-videos']),
        pausedChannels: fc.subarray(['sms']),
        explorationOff: fc.boolean(),
      }),
    ),
  })
  .map(({ face, withModel, scorerSeed, page, ...rest }) =>
    createInput(catalog, {
      ...rest,
      channel: face[0],
      direction: face[1] as 'inbound',
      scorer: withModel ? createTestScorer(scorerSeed) : null,
      context: { page },
    }),
  );
const holds = (law: (input: DecideInput) => void, seed: number): void => fc.assert(fc.property(inputs, law), { seed, numRuns: 1_000 });

describe('laws of deciding', () => {
  test('probabilities of slot 1 are never negative and sum to 1 with none, or to 0 where a mandatory notice has the slot', () => {
    holds((input) => {
      const verdict = decide(input);
      const sum = verdict.probabilities.reduce((a, b) => a + b, 0);
      for (const p of verdict.probabilities) expect(p).toBeGreaterThanOrEqual(0);
      const notice = verdict.chosen[0] !== undefined && catalog.actions[verdict.chosen[0].index]!.mandatory;
      const nothing = verdict.scored.length === 0;
      expect(sum).toBeCloseTo(notice || nothing ? 0 : 1, 10);
      expect(verdict.noneProbability).toBe(input.allowNone === true ? verdict.probabilities.at(-1) : null);
      expect(verdict.probabilities.length).toBe(verdict.scored.length);
      expect(verdict.gammas.length).toBe(verdict.scored.length);
      expect(verdict.priorities.length).toBe(verdict.scored.length);
    }, 1);
  });

  test('the same input gives the same verdict, and is left as it was', () => {
    holds((input) => {
      const { catalog: _, scorer: __, view, ...rest } = input;
      const before = JSON.stringify([view, rest]);
      const first = decide(input);
      decide(createInput(catalog, { channel: 'web', limit: 3, seed: 1 }));
      expect(decide(input)).toEqual(first);
      expect(JSON.stringify([view, rest])).toBe(before);
    }, 2);
  });

  test('only what was eligible, not paused and has a treatment here is chosen, each action once, within the limit', () => {
    holds((input) => {
      const verdict = decide(input);
      expect(verdict.chosen.length).toBeLessThanOrEqual(input.limit);
      expect(new Set(verdict.chosen.map((chosen) => chosen.actionId)).size).toBe(verdict.chosen.length);
      for (const chosen of verdict.chosen) {
        const action = catalog.actions[chosen.index]!;
        expect(verdict.stages[chosen.index]).toBe(STAGE.chosen);
        expect(input.controls?.pausedActions ?? []).not.toContain(chosen.actionId);
        expect(input.controls?.pausedChannels ?? []).not.toContain(input.channel);
        expect(input.controls?.stopOutbound === true && input.direction === 'outbound').toBe(false);
        expect(
          action.treatments.some((t) => t.id === chosen.treatmentId && t.channel === input.channel && t.direction === input.direction),
        ).toBe(true);
        expect(chosen.probability).toBeGreaterThan(0);
        if (input.readFailed === true) expect(action.isDefault).toBe(true);
        if (input.group === 'untouched') expect(catalog.marketingGroups).not.toContain(action.group);
        if (input.group === 'random' && input.direction === 'outbound' && input.allowNone === true) expect(action.mandatory).toBe(true);
      }
      for (const topic of catalog.topics)
        expect(
          verdict.chosen.filter((c) => catalog.actions[c.index]!.topic === topic && !catalog.actions[c.index]!.mandatory).length,
        ).toBeLessThanOrEqual(2);
    }, 3);
  });

  test('what may not be explored is never drawn: it is certain where it is best, and impossible elsewhere', () => {
    holds((input) => {
      const verdict = decide(input);
      verdict.scored.forEach((index, i) => {
        if (index >= 0 && !catalog.actions[index]!.explore) expect([0, 1]).toContain(verdict.probabilities[i]);
      });
      for (const chosen of verdict.chosen) if (!catalog.actions[chosen.index]!.explore) expect(chosen.probability).toBe(1);
    }, 4);
  });

  test('a failed read closes every condition over customer and features', () => {
    const verdict = decide(createInput(catalog, { readFailed: true, limit: 5 }));
    const scored = catalog.actions.filter((action) => verdict.stages[action.index]! <= STAGE.noSlot).map((action) => action.id);
    const harmless = ['callback-instead', 'chat-with-us', 'help-videos', 'paperless-bill', 'spam-shield', 'speed-check', 'wifi-calling'];
    expect(scored.toSorted()).toEqual(harmless);
    expect(verdict.degraded).toEqual([DEGRADED.stateUnread]);
    expect(stage(createInput(catalog, { readFailed: true }), 'fiber-500')).toBe('unread');
  });
});

describe('the logged probability', () => {
  const frequencies = (
    options: Partial<DecideInput>,
    draws: number,
  ): { verdict: ReturnType<typeof decide>; counts: Map<number, number> } => {
    const counts = new Map<number, number>();
    const input = createInput(catalog, options);
    for (let i = 0; i < draws; i++) {
      const chosen = decide({ ...input, seed: i * 7_919 + 13 }).chosen[0];
      const index = chosen === undefined ? -1 : chosen.index;
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
    return { verdict: decide(input), counts };
  };

  test.each([
    ['model', {}],
    ['random', { group: 'random' as const }],
    ['a fresh system', { scorer: null }],
  ])('is the long-run frequency: %s', (_, options) => {
    const draws = 100_000;
    const { verdict, counts } = frequencies(options, draws);
    let chiSquare = 0;
    let cells = 0;
    verdict.scored.forEach((index, i) => {
      const expected = verdict.probabilities[i]! * draws;
      const seen = counts.get(index) ?? 0;
      if (expected === 0) expect(seen).toBe(0);
      else if (expected > 5) {
        chiSquare += (seen - expected) ** 2 / expected;
        cells++;
      }
    });
    expect(cells).toBeGreaterThan(10);
    // Mean k, standard deviation sqrt(2k): five deviations.
    expect(chiSquare).toBeLessThan(cells + 5 * Math.sqrt(2 * cells));
  });

  test('of the second slot is conditional on the first', () => {
    const draws = 30_000;
    const first = decide(createInput(catalog, { limit: 2 })).chosen[0]!;
    const seconds = new Map<string, { seen: number; probability: number }>();
    let total = 0;
    for (let seed = 0; seed < draws; seed++) {
      const [a, b] = decide(createInput(catalog, { limit: 2, seed })).chosen;
      if (a?.actionId !== first.actionId) continue;
      total++;
      if (b === undefined) continue;
      const entry = seconds.get(b.actionId) ?? { seen: 0, probability: b.probability };
      expect(b.probability).toBe(entry.probability);
      entry.seen++;
      seconds.set(b.actionId, entry);
    }
    for (const { seen, probability } of seconds.values()) {
      const sd = Math.sqrt(total * probability * (1 - probability));
      expect(Math.abs(seen - total * probability)).toBeLessThan(5 * sd + 3);
    }
  });
});

describe('the telco catalog', () => {
  test('gives an ordinary inbound customer at least twenty actions to choose from', () => {
    for (const channel of ['app', 'web', 'callCenter']) {
      const verdict = decide(createInput(catalog, { channel }));
      expect(verdict.scored.length - 1).toBeGreaterThanOrEqual(20);
    }
  });

  test('can show every action to somebody', () => {
    const shown = new Set<string>();
    const special = [
      {},
      { plan: 'prepaid' },
      { plan: 'unlimited' },
      { segment: 'business' },
      { outageNow: true },
      { openComplaint: true },
      { openTicket: true },
      { paymentOverdue: true },
      { ageBand: '66+' },
      { tenureMonths: 1 },
      { contractMonthsLeft: 1 },
      { creditClass: 'A', deviceTier: 'low' },
    ];
    const features = [
      {},
      {
        roamingDays30d: 8,
        overage90d: 9,
        failedPayments30d: 1,
        cancelViews30d: 3,
        technicalCalls30d: 3,
        outages30d: 2,
        daysSinceOutage: 2,
        networkDrops7d: 9,
      },
    ];
    for (const one of special)
      for (const some of features)
        for (const [channel, direction] of [
          ['app', 'inbound'],
          ['web', 'inbound'],
          ['callCenter', 'inbound'],
        ] as const)
          for (const nowMs of [NOW, Date.UTC(2030, 0, 15, 12)]) {
            const verdict = decide(
              createInput(catalog, { view: createView({ attributes: one, features: some }), channel, direction, nowMs, limit: 5 }),
            );
            catalog.actions.forEach((action) => verdict.stages[action.index]! <= STAGE.noSlot && shown.add(action.id));
          }
    // Only outbound, and only when another system asks for it.
    const asked = { view: createView({}), channel: 'sms', direction: 'outbound', context: { reason: 'tmf681' }, limit: 1 } as const;
    expect(shown).not.toContain('service-message');
    const scope = { actions: ['service-message'] };
    decide(createInput(catalog, { ...asked, scope })).chosen.forEach(({ actionId }) => shown.add(actionId));
    expect(catalog.actions.map((action) => action.id).filter((id) => !shown.has(id))).toEqual([]);
  });

  test('puts a mandatory notice first, with certainty', () => {
    const verdict = decide(createInput(catalog, { view: createView({ attributes: { outageNow: true } }), limit: 3 }));
    expect(verdict.chosen[0]).toMatchObject({ rank: 1, actionId: 'outage-notice', probability: 1 });
    expect(verdict.chosen.length).toBeGreaterThan(1);
    expect(verdict.chosen[1]!.probability).toBeLessThan(1);
  });

  test('keeps the contact policy', () => {
    const sms = { channel: 'sms', direction: 'outbound' as const };
    const contact = (actionId: string, daysAgo: number) => ({
      atMs: NOW - daysAgo * DAY_MS,
      channel: 'email',
      direction: 'outbound' as const,
      actionId,
    });
    const of = (view: Parameters<typeof createView>[0], options: Partial<DecideInput> = {}) =>
      stage(createInput(catalog, { ...sms, view: createView(view), ...options }), 'music-pass');
    expect(of({})).toMatch(/scored|chosen/);
    expect(of({ attributes: { consentMarketing: false } })).toBe('contactPolicy');
    expect(of({ attributes: { openComplaint: true } })).toBe('contactPolicy');
    expect(of({ attributes: { doNotContact: true } })).toBe('contactPolicy');
    expect(of({ pairs: { 'music-pass': { rejected: 1, lastRejectedMs: NOW - 13 * DAY_MS } } })).toBe('contactPolicy');
    expect(of({ pairs: { 'music-pass': { rejected: 1, lastRejectedMs: NOW - 15 * DAY_MS } } })).toMatch(/scored|chosen/);
    expect(of({ contacts: [contact('fiber-500', 2), contact('tv-sports', 3)] })).toBe('contactPolicy');
    expect(of({ contacts: [contact('fiber-500', 2), contact('tv-sports', 8)] })).toMatch(/scored|chosen/);
    expect(of({ pending: ['music-pass'] })).toBe('contactPolicy');
    // 22:00 in Berlin, 16:00 in New York.
    expect(of({}, { nowMs: NOW + 10 * HOUR_MS })).toBe('contactPolicy');
    expect(of({ attributes: { timeZone: 'America/New_York' } }, { nowMs: NOW + 10 * HOUR_MS })).toMatch(/scored|chosen/);
  });

  test('shows the best and nothing else when exploration is off', () => {
    for (let seed = 0; seed < 50; seed++) {
      const verdict = decide(
        createInput(catalog, { seed, controls: { stopOutbound: false, pausedActions: [], pausedChannels: [], explorationOff: true } }),
      );
      const best = verdict.priorities.indexOf(Math.max(...verdict.priorities));
      expect(verdict.chosen[0]!.index).toBe(verdict.scored[best]);
      expect(verdict.chosen[0]!.probability).toBe(1);
    }
  });
});

describe("the caller's own candidates", () => {
  const ownCandidates = ['a', 'b', 'c'].map((id) => ({ id, features: { size: id.length } }));

  test('all take part, and none only where the request allows it', () => {
    const without = decide(createInput(catalog, { ownCandidates }));
    expect(without.scored).toEqual([0, 1, 2]);
    expect(without.noneProbability).toBeNull();
    expect(without.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const allowed = decide(createInput(catalog, { ownCandidates, allowNone: true }));
    expect(allowed.scored).toEqual([0, 1, 2, -1]);
    expect(allowed.noneProbability).toBeGreaterThan(0);
  });

  test('an empty list is decided as nothing', () => {
    expect(decide(createInput(catalog, { ownCandidates: [] })).chosen).toEqual([]);
  });

  test('one candidate is certain', () => {
    expect(decide(createInput(catalog, { ownCandidates: ownCandidates.slice(0, 1) })).chosen[0]).toMatchObject({
      actionId: 'a',
      probability: 1,
    });
  });
});

test('groups have the declared shares, last a month and then change', () => {
  const shares = { random: 0.02, untouched: 0.01 };
  const counts = { model: 0, random: 0, untouched: 0 };
  let moved = 0;
  for (let i = 0; i < 50_000; i++) {
    const key = i.toString(16).padStart(32, '0') as never;
    const group = groupOf(key, NOW, shares);
    counts[group]++;
    expect(groupOf(key, NOW + 6 * DAY_MS, shares)).toBe(group);
    if (group !== 'model' && groupOf(key, NOW + 30 * DAY_MS, shares) === 'model') moved++;
  }
  expect(counts.random).toBeGreaterThan(850);
  expect(counts.random).toBeLessThan(1_150);
  expect(counts.untouched).toBeGreaterThan(400);
  expect(counts.untouched).toBeLessThan(600);
  expect(moved).toBeGreaterThan(1_200);
});
