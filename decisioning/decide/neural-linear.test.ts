import { expect, test } from 'vitest';
import { NO_PAIR, type Experience } from '#contracts';
import { createLearner, createVersion, genericEncoder } from '#models';
import { compileCatalog, decide } from '../index.ts';
import { NOW, createInput, createView } from '../testing/fixtures.ts';
import { createSmallProject } from '../testing/small-project.ts';

test('neural-linear, from the learner to the receipt: an action that this customer is unlike those who saw it has the larger error, and is drawn for it', () => {
  const catalog = compileCatalog(createSmallProject('{ policy: neuralLinear, floor: 0 }'));
  const learner = createLearner({ encoder: genericEncoder(), loop: 'x' });
  learner.carriesVariances = true;
  const candidates = [
    { id: 'a', features: {} },
    { id: 'b', features: {} },
  ];
  const viewOf = (plan: string) => ({
    ...createView(),
    attributes: { plan },
    features: new Float32Array(0),
    featureNames: [],
    pair: () => NO_PAIR,
  });
  const request = (plan: string) => ({
    view: viewOf(plan),
    context: {},
    channel: 'app',
    direction: 'inbound' as const,
    placement: null,
    nowMs: NOW,
  });
  for (let i = 0; i < 1_200; i++) {
    // `a` is shown to everybody, `b` to those on prepaid alone; both are taken by three of ten.
    const plan = i % 2 === 0 ? 'prepaid' : 'unlimited';
    const action = plan === 'prepaid' && i % 4 === 0 ? candidates[1]! : candidates[0]!;
    const experience: Experience = {
      decisionId: `d${i}`,
      rank: 1,
      request: request(plan),
      action,
      probability: 0.5,
      propensity: 0.3,
      decidedAtMs: NOW + i,
    };
    learner.learnShown(experience, i % 10 < 3 ? 1 : 0);
  }
  const { versionBlob, snapshotBlob } = learner.publish();
  const scorer = createVersion(versionBlob).open(snapshotBlob);
  const verdictOf = (plan: string) => decide(createInput(catalog, { view: viewOf(plan), scorer, ownCandidates: candidates }));
  const known = verdictOf('prepaid');
  const strange = verdictOf('unlimited');
  expect(known.policy).toBe('thompson');
  const ratio = ({ standardErrors }: typeof known): number => standardErrors[1]! / standardErrors[0]!;
  expect(ratio(strange)).toBeGreaterThan(1.15 * ratio(known));
  for (const p of strange.probabilities) expect(p).toBeGreaterThan(0.05);
});
