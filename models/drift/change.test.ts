/** Actions that come, go and come back, through the learner and the scorer. */
import { UNKNOWN_CUSTOMER, type ActionProfile, type Experience } from '#contracts';
import { expect, test } from 'vitest';
import type { EncoderSpec } from '../encoder/spec.ts';
import { createLearner } from '../learner.ts';
import { createVersion } from '../scorer.ts';
import type { Learner } from '../types.ts';

const NOW = 1_760_000_000_000;
const encoder: EncoderSpec = { kind: 'declared', fields: [], profile: ['topic'], crosses: [], priorRate: 0.1 };
const action = (id: string): ActionProfile => ({ id, features: { topic: 'plan' } });
const experience = (i: number, shown: ActionProfile): Experience => {
  const view = { ...UNKNOWN_CUSTOMER, known: true };
  const request = { view, context: {}, channel: 'app', direction: 'inbound' as const, placement: null, nowMs: NOW + i * 60_000 };
  return { decisionId: `d${i}`, rank: 1, request, action: shown, probability: 0.5, propensity: 0.1, decidedAtMs: NOW + i * 60_000 };
};
const rateOf = (learner: Learner, id: string): { readonly rate: number; readonly n: number } => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
  createVersion(versionBlob)
    .open(snapshotBlob)
    .score(experience(0, action(id)).request, [action(id)], out);
  return { rate: out.propensities[0]!, n: out.effectiveN[0]! };
};

test('an action that was retired comes back with what was learned of it; meanwhile it weighs nothing on the others', () => {
  const learner = createLearner({ encoder, loop: '' });
  let i = 0;
  const show = (id: string, times: number, every: number): void => {
    for (let k = 0; k < times; k++) {
      learner.learnShown(experience(i++, action(id)), k % every === 0 ? 1 : 0);
      if (k % 200 === 199) learner.publish();
    }
  };
  show('retired', 800, 2);
  const before = rateOf(learner, 'retired');
  for (let round = 0; round < 10; round++) show('other', 400, 20);
  const after = rateOf(learner, 'retired');
  expect(before.rate).toBeCloseTo(0.5, 1);
  expect(Math.abs(after.rate - before.rate)).toBeLessThan(0.05);
  expect(after.n).toBeLessThan(before.n);
  expect(after.n).toBeGreaterThan(0.9 * before.n);
  expect(rateOf(learner, 'other').rate).toBeCloseTo(0.05, 1);
  // A new one begins near its topic, unknown.
  expect(rateOf(learner, 'new').n).toBe(0);
});

test('memory is bounded however many actions come and go', () => {
  const learner = createLearner({ encoder, loop: '' });
  for (let i = 0; i < 1_500; i++) learner.learnShown(experience(i, action(`action-${i}`)), i % 3 === 0 ? 1 : 0);
  const half = learner.checkpoint().length;
  for (let i = 1_500; i < 3_000; i++) learner.learnShown(experience(i, action(`action-${i}`)), i % 3 === 0 ? 1 : 0);
  expect(learner.checkpoint().length / half).toBeLessThan(2);
});
