import { UNKNOWN_CUSTOMER, type ActionProfile, type CustomerView, type Experience, type ScoreBuffers } from '#contracts';
import { expect, test } from 'vitest';
import { packArtifact, unpackArtifact } from './artifact.ts';
import { createLearner, createVersion, genericEncoder, openScorer, restoreLearner, type EncoderSpec } from './index.ts';

const declared: EncoderSpec = {
  kind: 'declared',
  priorRate: 0.05,
  profile: ['topic'],
  crosses: [{ profile: 'topic', source: 'attribute', name: 'plan' }],
  fields: [{ source: 'attribute', name: 'plan', encoding: { as: 'oneHot', values: ['basic', 'premium'] }, missing: true }],
};
const view = (plan: string): CustomerView => ({
  ...UNKNOWN_CUSTOMER,
  known: true,
  attributes: { plan },
});
const action = (id: string, topic = 'plan'): ActionProfile => ({ id, features: { topic } });
const experience = (i: number, plan: string, shown: ActionProfile): Experience => ({
  decisionId: `d${i}`,
  rank: 1,
  probability: 0.5,
  propensity: 0.05,
  decidedAtMs: 1_700_000_000_000 + i * 1000,
  action: shown,
  request: { view: view(plan), context: {}, channel: 'app', direction: 'inbound', placement: null, nowMs: 1_700_000_000_000 + i * 1000 },
});
const buffers = (n: number): ScoreBuffers => ({ propensities: new Float32Array(n), effectiveN: new Float32Array(n) });
const A = action('a');
const B = action('b');
const scoreOf = (learner: ReturnType<typeof createLearner>, plan: string, actions: readonly ActionProfile[]): ScoreBuffers => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const out = buffers(actions.length);
  createVersion(versionBlob)
    .open(snapshotBlob)
    .score(experience(0, plan, A).request, actions, out);
  return out;
};
const teach = (learner: ReturnType<typeof createLearner>, rows = 2000): void => {
  for (let i = 0; i < rows; i++) {
    const plan = i % 2 === 0 ? 'basic' : 'premium';
    learner.learnShown(experience(i, plan, A), plan === 'premium' && i % 5 === 0 ? 1 : 0);
    learner.learnShown(experience(rows + i, plan, B), plan === 'basic' && i % 4 === 0 ? 1 : 0);
    if (i % 100 === 99) learner.publish();
  }
};

test('a fresh model answers the prior rate for everything', async () => {
  const { versionBlob, snapshotBlob } = createLearner({ encoder: declared, loop: '' }).publish();
  const out = buffers(2);
  (await openScorer(versionBlob, snapshotBlob)).score(experience(0, 'basic', A).request, [A, B], out);
  expect([...out.propensities]).toEqual([Math.fround(0.05), Math.fround(0.05)]);
  expect([...out.effectiveN]).toEqual([0, 0]);
});

test('learns which action suits which customer, calibrated', () => {
  const learner = createLearner({ encoder: declared, loop: '' });
  teach(learner);
  const premium = scoreOf(learner, 'premium', [A, B]);
  const basic = scoreOf(learner, 'basic', [A, B]);
  expect(premium.propensities[0]).toBeCloseTo(0.2, 1);
  expect(premium.propensities[1]).toBeLessThan(0.03);
  expect(basic.propensities[0]).toBeLessThan(0.03);
  expect(basic.propensities[1]).toBeGreaterThan(0.35);
  expect(premium.effectiveN[0]).toBeGreaterThan(1900);
});

test('a new action borrows from its topic', () => {
  const learner = createLearner({ encoder: declared, loop: '' });
  for (let i = 0; i < 1000; i++) {
    learner.learnShown(experience(i, 'basic', A), i % 4 === 0 ? 1 : 0);
    learner.learnShown(experience(i, 'basic', action('far', 'bill')), 0);
    if (i % 100 === 99) learner.publish();
  }
  const { propensities } = scoreOf(learner, 'basic', [action('young'), action('other', 'bill')]);
  expect(propensities[0]).toBeGreaterThan(3 * propensities[1]!);
});

for (const rows of [18, 50, 500]) {
  test(`late positives correct what ${rows} provisional zeros taught, published in between or not`, () => {
    const late = createLearner({ encoder: declared, loop: '' });
    const atOnce = createLearner({ encoder: declared, loop: '' });
    for (let i = 0; i < rows; i++) {
      late.learnShown(experience(i, 'basic', A), 0);
      atOnce.learnShown(experience(i, 'basic', A), i % 2);
    }
    late.publish();
    for (let i = 1; i < rows; i += 2) late.correct(experience(i, 'basic', A), 0, 1);
    // The statistics are equal at once; the ridges follow within a few publications.
    for (let i = 0; i < 20; i++) for (const learner of [late, atOnce]) learner.publish();
    const corrected = scoreOf(late, 'basic', [A]).propensities[0]!;
    expect(corrected).toBeCloseTo(scoreOf(atOnce, 'basic', [A]).propensities[0]!, 2);
    expect(corrected).toBeLessThan(0.55);
  });
}

test('a checkpoint resumes bit for bit', () => {
  const learner = createLearner({ encoder: declared, loop: '' });
  teach(learner, 200);
  const twin = restoreLearner(learner.checkpoint());
  teach(learner, 100);
  teach(twin, 100);
  expect(Buffer.from(twin.checkpoint()).equals(Buffer.from(learner.checkpoint()))).toBe(true);
  expect(Buffer.from(twin.publish().snapshotBlob).equals(Buffer.from(learner.publish().snapshotBlob))).toBe(true);
});

test("a caller's loop learns real-valued rewards", () => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'prices' });
  for (let i = 0; i < 600; i++) {
    const plan = i % 2 === 0 ? 'basic' : 'premium';
    learner.learnShown(experience(i, plan, A), plan === 'basic' ? 5 : -3);
    if (i % 50 === 49) learner.publish();
  }
  expect(scoreOf(learner, 'basic', [A]).propensities[0]).toBeCloseTo(5, 0);
  expect(scoreOf(learner, 'premium', [A]).propensities[0]).toBeCloseTo(-3, 0);
});

test('a checkpoint of a format that is not known is refused by its name', () => {
  const { header, arrays } = unpackArtifact<object>(createLearner({ encoder: declared, loop: '' }).checkpoint());
  expect(() => restoreLearner(packArtifact({ header: { ...header, format: 2 }, arrays }))).toThrow(
    /has format 2, and this Attune reads 1:/,
  );
});
