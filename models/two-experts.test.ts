import { expect, test } from 'vitest';
import { UNKNOWN_CUSTOMER, type Experience } from '#contracts';
import { unpackArtifact } from './artifact.ts';
import { createLearner, createVersion, genericEncoder, restoreLearner } from './index.ts';

const NOW = Date.UTC(2026, 0, 1);

const rowOf = (i: number, arm: string, context: Record<string, number>): Experience => ({
  decisionId: String(i),
  rank: 1,
  request: { view: UNKNOWN_CUSTOMER, context, channel: 'app', direction: 'inbound', placement: null, nowMs: NOW },
  action: { id: arm, features: {} },
  probability: 0.5,
  propensity: 0.5,
  decidedAtMs: NOW + i,
});

const noise = (i: number): number => ((i * 2_654_435_761) % 1_000) / 1_000;
const speaker = (learner: ReturnType<typeof createLearner>): string =>
  'generation' in unpackArtifact<object>(learner.publish().snapshotBlob).header ? 'standing' : 'moving';

const propensitiesOf = (learner: ReturnType<typeof createLearner>): Float32Array => {
  const out = { propensities: new Float32Array(2), effectiveN: new Float32Array(2), standardErrors: new Float32Array(2) };
  const { request } = rowOf(0, 'arm-0', { x: 0.5 });
  const arms = ['arm-0', 'arm-1'].map((id) => ({ id, features: {} }));
  createVersion(learner.versionBlob).open(learner.publish().snapshotBlob).score(request, arms, out);
  return out.propensities;
};

/** @param rateOf of row i and arm */
const play = (rows: number, arms: number, rateOf: (i: number, arm: number) => number) => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'test' });
  const spoke: string[] = [];
  for (let i = 0; i < rows; i++) {
    const arm = i % arms;
    learner.learnShown(rowOf(i, `arm-${arm}`, { x: noise(i + 7) }), noise(i * 31 + 3) < rateOf(i, arm) ? 1 : 0);
    if (i % 50 === 49) learner.publish();
    if (i % 250 === 249) spoke.push(speaker(learner));
  }
  return spoke;
};

test('in a world that stands still, what forgets is silent', () => {
  expect(play(1_500, 2, (_, arm) => (arm === 0 ? 0.2 : 0.7)).slice(1)).toEqual(Array.from({ length: 5 }, () => 'standing'));
});

test('where there is nothing to choose and the base rate has moved, what forgets speaks', () => {
  expect(play(2_000, 1, (i) => (i < 1_500 ? 0.1 : 0.9)).at(-1)).toBe('moving');
});

test('when the world turns round, the loop says the new truth within a thousand rows, whichever of its learners speaks', () => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'test' });
  for (let i = 0; i < 3_000; i++) {
    const arm = i % 2;
    learner.learnShown(rowOf(i, `arm-${arm}`, { x: noise(i + 7) }), noise(i * 31 + 3) < ((arm === 0) === i < 2_000 ? 0.02 : 0.98) ? 1 : 0);
    if (i % 50 === 49) learner.publish();
    if (i !== 2_500) continue;
    const again = restoreLearner(learner.checkpoint());
    expect(again.checkpoint()).toEqual(learner.checkpoint());
  }
  const said = propensitiesOf(learner);
  expect(said[1]).toBeLessThan(0.15);
  expect(said[0]).toBeGreaterThan(0.85);
});

test('a world that turns again and again is left to what forgets by itself', () => {
  expect(play(4_500, 2, (i, arm) => ((arm === 0) === Math.floor(i / 700) % 2 < 1 ? 0.02 : 0.98)).slice(-4)).toContain('moving');
});
