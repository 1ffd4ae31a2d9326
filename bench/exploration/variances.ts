/** What the posterior's variances cost: a publication, a snapshot, a decision's scores, with and without them. */
import { UNKNOWN_CUSTOMER, type ActionProfile, type CustomerView, type Experience, type ScoreBuffers } from '#contracts';
import { createLearner, createVersion, type EncoderSpec } from '#models';
import { cpuMs } from '../cpu-ms.ts';

const ACTIONS = 60;
const FEATURES = 100;
const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);
const encoder: EncoderSpec = {
  kind: 'declared',
  priorRate: 0.05,
  profile: ['topic'],
  crosses: [{ profile: 'topic', source: 'context', name: 'page' }],
  fields: names.map((name) => ({
    source: 'feature',
    name,
    missing: false,
    encoding: { as: 'number', transform: 'none', shift: 0, scale: 1, clip: 3 },
  })),
};
const actions: ActionProfile[] = Array.from({ length: ACTIONS }, (_, i) => ({ id: `a${i}`, features: { topic: `t${i % 7}` } }));

export interface VarianceCosts {
  readonly publishMs: number;
  readonly publishMsWithout: number;
  readonly snapshotBytes: number;
  readonly snapshotBytesWithout: number;
  readonly scoreUs: number;
  readonly scoreUsWithout: number;
}

export const measureVariances = (rows: number): VarianceCosts => {
  const experiences = Array.from({ length: 512 }, (_, i) => experienceOf(i));
  const learner = createLearner({ encoder, loop: '' });
  for (let i = 0; i < rows; i++) learner.learnShown({ ...experiences[i % 512]!, action: actions[i % ACTIONS]! }, i % 11 === 0 ? 1 : 0);
  for (let i = 0; i < 5; i++) learner.publish();
  const measure = (carries: boolean) => {
    learner.carriesVariances = carries;
    const startMs = cpuMs();
    for (let i = 0; i < 10; i++) learner.publish();
    const publishMs = (cpuMs() - startMs) / 10;
    const { versionBlob, snapshotBlob } = learner.publish();
    const scorer = createVersion(versionBlob).open(snapshotBlob);
    const out: ScoreBuffers = {
      propensities: new Float32Array(ACTIONS),
      effectiveN: new Float32Array(ACTIONS),
      standardErrors: new Float32Array(ACTIONS),
    };
    const score = (count: number): void => {
      for (let i = 0; i < count; i++) scorer.score(experiences[i % 512]!.request, actions, out);
    };
    score(3_000);
    const scoredMs = cpuMs();
    score(5_000);
    return { publishMs, bytes: snapshotBlob.length, scoreUs: (cpuMs() - scoredMs) / 5 };
  };
  const without = measure(false);
  const carried = measure(true);
  return {
    publishMs: carried.publishMs,
    publishMsWithout: without.publishMs,
    snapshotBytes: carried.bytes,
    snapshotBytesWithout: without.bytes,
    scoreUs: carried.scoreUs,
    scoreUsWithout: without.scoreUs,
  };
};

const experienceOf = (seed: number): Experience => {
  const view: CustomerView = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    features: Float32Array.from(names, (_, i) => Math.sin(seed * 31.7 + i * 7.1)),
    featureNames: names,
  };
  const request = {
    view,
    context: { page: `p${seed % 5}` },
    channel: 'app',
    direction: 'inbound' as const,
    placement: null,
    nowMs: 1_750_000_000_000,
  };
  return {
    decisionId: `d${seed}`,
    rank: 1,
    request,
    action: actions[0]!,
    probability: 0.1,
    propensity: 0.05,
    decidedAtMs: 1_750_000_000_000,
  };
};
