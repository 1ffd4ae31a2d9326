/** The hold-out inside the decision: the logged probability is the long-run frequency, and what must be said is never withheld. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileCatalog, decide, stageName } from '../index.ts';
import type { DecideInput } from '../index.ts';
import { createProject } from '#project';
import { createInput, createTestScorer } from '../testing/fixtures.ts';

const ACTIONS = `actions:
  - { id: one, name: one, group: offer, topic: plan, value: 10, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
  - { id: two, name: two, group: offer, topic: plan, value: 13, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
  - { id: three, name: three, group: offer, topic: device, value: 16, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
  - { id: four, name: four, group: care, topic: device, value: 19, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
`;
const catalogOf = (more = '') =>
  compileCatalog(
    createProject(
      new Map([
        [
          'project.yaml',
          'name: small\nchannels:\n  sms: { directions: [outbound] }\ngroups: { offer: { marketing: true }, care: {} }\ntopics: [plan, device]\n',
        ],
        ['actions/a.yaml', ACTIONS + more],
        ['policies.yaml', 'none: { priority: 0.4 }\nexploration: { policy: softmax, temperature: 0.4 }\n'],
      ]),
    ),
  );
const catalog = catalogOf();
const IDS = ['one', 'two', 'three', 'four'];
const inputOf = (options: Partial<DecideInput> = {}): DecideInput =>
  createInput(catalog, { channel: 'sms', direction: 'outbound', scorer: createTestScorer(3, 5), ...options });
const shares = fc.record({
  one: fc.double({ min: 0, max: 0.9, noNaN: true }),
  two: fc.double({ min: 0, max: 0.9, noNaN: true }),
  four: fc.double({ min: 0, max: 0.9, noNaN: true }),
});

describe('what contacting costs', () => {
  const probabilityOf = (verdict: ReturnType<typeof decide>, id: string): number =>
    verdict.probabilities[verdict.scored.indexOf(catalog.indexOf.get(id)!)] ?? 0;

  test('is taken off the priority, so that a harmful contact loses against silence, and others are as they were', () => {
    const [before, after] = [decide(inputOf()), decide(inputOf({ contactCosts: new Map([['four', 25]]) }))];
    const place = before.scored.indexOf(catalog.indexOf.get('four')!);
    expect(after.priorities[place]).toBeCloseTo(before.priorities[place]! - 25, 9);
    expect(after.priorities.filter((_, i) => i !== place)).toEqual(before.priorities.filter((_, i) => i !== place));
    expect(after.contactCosts).toEqual(after.scored.map((_, i) => (i === place ? 25 : 0)));
    expect(probabilityOf(after, 'four')).toBeLessThan(0.2 * probabilityOf(before, 'four'));
    expect(after.noneProbability!).toBeGreaterThan(before.noneProbability!);
  });

  test('is no matter of what the customer comes to us for, nor of what he must know', () => {
    const costs = new Map(IDS.map((id) => [id, 25]));
    expect(decide(inputOf({ contactCosts: costs, channel: 'app', direction: 'inbound' })).contactCosts).toEqual([]);
    const critical = catalogOf(
      '  - { id: five, name: five, group: care, topic: device, value: 1, critical: true, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }\n',
    );
    const verdict = decide({ ...inputOf({ contactCosts: new Map([...costs, ['five', 25]]) }), catalog: critical });
    expect(verdict.contactCosts[verdict.scored.indexOf(critical.indexOf.get('five')!)]).toBe(0);
  });
});

describe('a hold-out', () => {
  test('leaves each action p(1 − h), and gives none the rest: they sum to 1', () => {
    fc.assert(
      fc.property(shares, fc.nat(), fc.nat(500), fc.integer({ min: 1, max: 3 }), (record, seed, scorerSeed, limit) => {
        const options = { seed, limit, scorer: createTestScorer(scorerSeed, 20) };
        const without = decide(inputOf(options));
        const verdict = decide(inputOf({ ...options, holdouts: new Map(Object.entries(record)) }));
        expect(verdict.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
        expect(verdict.noneProbability).toBe(verdict.probabilities.at(-1));
        without.probabilities.slice(0, -1).forEach((p, place) => {
          const share = verdict.holdouts[place] ?? 0;
          expect(share).toBeCloseTo(record[IDS[verdict.scored[place]!] as keyof typeof record] ?? 0, 6);
          expect(verdict.probabilities[place]).toBeCloseTo(p * (1 - share), 12);
        });
        // The first draw is the same, and what it drew is shown or held out.
        const drawn = verdict.chosen[0]?.index ?? verdict.scored[verdict.heldOut];
        expect(drawn).toBe(without.chosen[0]?.index);
        if (verdict.heldOut >= 0) expect(verdict.chosen.length).toBeLessThan(limit);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test('makes the logged probability the long-run frequency, slot by slot', () => {
    const holdouts = new Map([
      ['one', 0.3],
      ['three', 0.2],
      ['four', 0.5],
    ]);
    const draws = 12_000;
    const first = new Map<string, number>();
    let expected: readonly number[] = [];
    /** Of slot 2 after `four`: how often each, and the probability that was logged of it. */
    const second = new Map<string, { times: number; logged: number }>();
    let afterFour = 0;
    let held = 0;
    for (let i = 0; i < draws; i++) {
      const verdict = decide(inputOf({ holdouts, limit: 2, seed: i * 7_919 + 1 }));
      expected = verdict.probabilities;
      const top = verdict.chosen[0]?.actionId ?? 'none';
      first.set(top, (first.get(top) ?? 0) + 1);
      if (verdict.heldOut >= 0 && verdict.chosen.length === 0) held++;
      if (top !== 'four') continue;
      afterFour++;
      const next = verdict.chosen[1];
      if (next === undefined) continue;
      const seen = second.get(next.actionId) ?? { times: 0, logged: next.probability };
      expect(next.probability).toBe(seen.logged);
      second.set(next.actionId, { ...seen, times: seen.times + 1 });
    }
    const near = (times: number, probability: number, of: number): void =>
      expect(Math.abs(times / of - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / of) + 1e-9);
    [...IDS, 'none'].forEach((id, place) => near(first.get(id) ?? 0, expected[place]!, draws));
    expect(held).toBeGreaterThan(0.1 * draws);
    expect(second.size).toBe(3);
    for (const { times, logged } of second.values()) near(times, logged, afterFour);
  });

  test('withholds nothing inbound, where none takes no part, or of what is critical, mandatory or never explored', () => {
    const holdouts = new Map(IDS.map((id) => [id, 0.9]));
    const treatments = 'treatments: [{ channel: sms, direction: outbound, content: { body: T } }]';
    const more = (field: string) =>
      catalogOf(`  - { id: five, name: five, group: care, topic: device, value: 1000, ${field}: ${field !== 'explore'}, ${treatments} }\n`);
    const catalogs = Object.fromEntries(['critical', 'mandatory', 'explore'].map((field) => [field, more(field)]));
    const all = new Map([...holdouts, ['five', 0.9]]);
    for (let seed = 0; seed < 40; seed++) {
      expect(decide(inputOf({ seed, holdouts, allowNone: false }))).toMatchObject({ holdouts: [], heldOut: -1 });
      for (const field of ['critical', 'mandatory', 'explore']) {
        const verdict = decide({ ...inputOf({ seed, holdouts: all }), catalog: catalogs[field]! });
        const place = verdict.scored.indexOf(4);
        if (place >= 0) expect(verdict.holdouts[place]).toBe(0);
        expect(verdict.scored[verdict.heldOut]).not.toBe(4);
        if (field !== 'critical') expect(verdict.chosen[0]).toMatchObject({ actionId: 'five', probability: 1 });
      }
    }
  });

  test('of the group random is the group itself: none', () => {
    const verdict = decide(inputOf({ group: 'random', holdouts: new Map([['one', 0.5]]) }));
    expect(verdict).toMatchObject({ chosen: [], noneProbability: 1, heldOut: -1 });
  });

  test('changes no decision that has none', () => {
    for (let seed = 0; seed < 30; seed++) {
      const plain = decide(inputOf({ seed, limit: 3 }));
      expect(decide(inputOf({ seed, limit: 3, holdouts: new Map([['gone', 0.5]]) }))).toEqual(plain);
    }
  });
});

describe('a scope', () => {
  const stages = (scope: DecideInput['scope']) =>
    [...decide(inputOf({ scope: scope! })).stages].map((code) => (stageName(code) === 'scope' ? '-' : '+')).join('');

  test('leaves out what none of its lists names', () => {
    expect(stages({ topics: ['plan'] })).toBe('++--');
    expect(stages({ topics: ['plan'], actions: ['four'] })).toBe('++-+');
    expect(stages({ groups: ['care'] })).toBe('---+');
    expect(stages({ actions: [] })).toBe('----');
  });

  test('without a list is all', () => {
    expect(stages({})).toBe('++++');
    expect(stages(null)).toBe('++++');
  });
});
