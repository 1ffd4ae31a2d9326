import { UNKNOWN_CUSTOMER, type ActionProfile, type Experience } from '#contracts';
import { expect, test } from 'vitest';
import { createLearner, createVersion, genericEncoder, restoreLearner, type Learner } from './index.ts';

const action: ActionProfile = { id: 'only', features: {} };
const experience = (i: number, job: string): Experience => ({
  decisionId: `d${i}`,
  rank: 1,
  probability: 1,
  propensity: 0.1,
  decidedAtMs: 1_700_000_000_000 + i,
  action,
  request: {
    view: {
      ...UNKNOWN_CUSTOMER,
      known: true,
      attributes: { job },
    },
    context: {},
    channel: 'phone',
    direction: 'inbound',
    placement: null,
    nowMs: 1_700_000_000_000 + i,
  },
});
const jobOf = (i: number): string => (i % 2 === 0 ? 'student' : 'clerk');
const propensityOf = (learner: Learner, job: string): number => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
  createVersion(versionBlob).open(snapshotBlob).score(experience(0, job).request, [action], out);
  return out.propensities[0]!;
};

test("a caller's loop follows a new base rate within a few hundred rows, across rescaling and a restart", () => {
  let learner = createLearner({ encoder: genericEncoder(), loop: 'calls' });
  const learn = (from: number, to: number, every: number): void => {
    for (let i = from; i < to; i++) {
      learner.learnShown(experience(i, jobOf(i)), i % every < 2 ? 1 : 0);
      if (i % 50 === 49) learner.publish();
    }
  };
  learn(0, 9_500, 20);
  expect(propensityOf(learner, 'student')).toBeCloseTo(0.1, 1);
  learner = restoreLearner(learner.checkpoint());
  learn(9_500, 10_500, 4);
  expect(Math.abs(propensityOf(learner, 'student') - 0.5)).toBeLessThan(0.12);
});

test("a caller's late correction of recent rows teaches what the truth at once would have", () => {
  const late = createLearner({ encoder: genericEncoder(), loop: 'calls' });
  const atOnce = createLearner({ encoder: genericEncoder(), loop: 'calls' });
  for (let i = 0; i < 18; i++) {
    late.learnShown(experience(i, jobOf(i)), 0);
    atOnce.learnShown(experience(i, jobOf(i)), i % 3 === 0 ? 1 : 0);
  }
  for (let i = 0; i < 18; i += 3) late.correct(experience(i, jobOf(i)), 0, 1);
  expect(propensityOf(late, 'clerk')).toBeCloseTo(propensityOf(atOnce, 'clerk'), 3);
});
