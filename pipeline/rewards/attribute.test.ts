import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NOTHING_YET, attribute } from './attribute.ts';
import type { OutcomeFact } from './attribute.ts';
import { PLAIN_REWARDS } from './compile-rewards.ts';
import type { Rewards } from './rewards.ts';

const rewards: Rewards = {
  ...PLAIN_REWARDS,
  outcomes: new Map([
    ...PLAIN_REWARDS.outcomes,
    [
      'complaint',
      {
        name: 'complaint',
        target: 0,
        worth: { fixed: -25, fraction: 0, amount: 0 },
        neutral: false,
        voids: false,
        shown: true,
        rejects: true,
      },
    ],
    [
      'bought',
      {
        name: 'bought',
        target: 1,
        worth: { fixed: 0, fraction: 0, amount: 0.5 },
        neutral: false,
        voids: false,
        shown: true,
        rejects: false,
      },
    ],
  ]),
};
const slot = { value: 40, own: false };
const fact = (outcome: string, occurredAtMs = 1, more: Partial<OutcomeFact> = {}): OutcomeFact => ({
  outcome,
  occurredAtMs,
  amount: null,
  reward: null,
  ...more,
});
const after = (facts: readonly OutcomeFact[], how: Rewards['combine'] = 'max', own = false) =>
  facts.reduce((before, next) => attribute({ ...rewards, combine: how }, { ...slot, own }, before, next), NOTHING_YET);

describe('attribution', () => {
  test("an impression teaches 0, an acceptance then corrects it to 1 at the action's value", () => {
    expect(after([fact('impression')])).toMatchObject({ shown: true, target: 0, worth: 0, outcome: 'impression' });
    expect(after([fact('impression'), fact('accepted', 2)])).toMatchObject({ shown: true, target: 1, worth: 40, outcome: 'accepted' });
  });

  test('undelivered shows nothing and teaches nothing', () => {
    expect(after([fact('undelivered')])).toMatchObject({ shown: false, target: null, worth: 0, outcome: 'undelivered' });
  });

  test('what the customer has already, and what was never offered, is no refusal: the showing teaches nothing, whatever else is said of it', () => {
    for (const [outcome, shown] of [
      ['alreadyHas', true],
      ['neverOffered', false],
    ] as const) {
      const nothing = { shown, target: null, worth: 0, outcome, amount: null };
      expect(after([fact('impression'), fact(outcome, 2)])).toMatchObject(nothing);
      expect(after([fact(outcome), fact('impression', 2), fact('accepted', 3, { amount: 4 })])).toMatchObject(nothing);
    }
    expect(after([fact('neverOffered', 1), fact('alreadyHas', 2)])).toEqual(after([fact('alreadyHas', 2), fact('neverOffered', 1)]));
  });

  test('a neutral outcome leaves target and worth as they were', () => {
    expect(after([fact('impression'), fact('later', 2)])).toMatchObject({ shown: true, target: 0, worth: 0, outcome: 'later' });
    expect(after([fact('accepted'), fact('later', 2)])).toMatchObject({ target: 1, worth: 40 });
  });

  test('with max the worth that weighs most stands, gain or loss', () => {
    expect(after([fact('impression'), fact('complaint', 2)]).worth).toBe(-25);
    expect(after([fact('complaint'), fact('accepted', 2)]).worth).toBe(40);
  });

  test('worths follow the amount where the rule says so', () => {
    expect(after([fact('bought', 1, { amount: 30 })])).toMatchObject({ worth: 15, amount: 30, target: 1 });
  });

  test('a reward set by the caller replaces the worth, and names an outcome that no rule knows', () => {
    expect(after([fact('accepted', 1, { reward: 7 })]).worth).toBe(7);
    expect(after([fact('signed', 1, { reward: 0.5 })])).toMatchObject({ target: 1, worth: 0.5 });
    expect(after([fact('signed')])).toEqual(NOTHING_YET);
  });

  test("for the caller's own candidates the target is the worth itself", () => {
    expect(after([fact('scored', 1, { reward: -0.75 })], 'last', true)).toMatchObject({ target: -0.75, worth: -0.75 });
  });

  test('the order in which outcomes arrive never matters', () => {
    const names = [...rewards.outcomes.keys()];
    const arbitrary = fc.record({
      outcome: fc.constantFrom(...names),
      occurredAtMs: fc.integer({ min: 1, max: 6 }),
      amount: fc.option(fc.integer({ min: 0, max: 100 })),
      reward: fc.constant(null),
    });
    const shuffled = fc
      .uniqueArray(arbitrary, { maxLength: 6, selector: (f) => `${f.outcome}@${f.occurredAtMs}` })
      .chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray(facts, { minLength: facts.length, maxLength: facts.length })));
    for (const how of ['last', 'max', 'sum'] as const) {
      for (const own of [false, true]) {
        fc.assert(
          fc.property(shuffled, ([facts, other]) => {
            expect(after(other, how, own)).toEqual(after(facts, how, own));
          }),
          { seed: 5 },
        );
      }
    }
  });
});
