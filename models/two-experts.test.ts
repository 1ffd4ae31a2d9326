import { expect, test } from 'vitest';
import { UNKNOWN_CUSTOMER, type Experience } from '#contracts';
import { unpackArtifact } from './artifact.ts';
import { createLearner, genericEncoder } from './index.ts';

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

test('when the world turns round, what forgets takes over', () => {
  expect(play(2_250, 2, (i, arm) => ((arm === 0) === i < 1_500 ? 0.02 : 0.98)).at(-1)).toBe('moving');
});
