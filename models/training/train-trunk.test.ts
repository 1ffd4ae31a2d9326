/** The half-life that a training chooses is the one that the world's speed asks for, and the version that it makes forgets by it. */
import { expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, UNKNOWN_CUSTOMER, type CustomerKey, type Experience } from '#contracts';
import { createUniformState, nextUniform, seedUniform } from '../exploration/index.ts';
import type { EncoderSpec } from '../encoder/spec.ts';
import { createLearnerOf, restoreLearner } from '../learner.ts';
import type { LoggedDecision, LoggedDecisions } from '../logged/logged-decision.ts';
import { createVersion } from '../scorer.ts';
import { unpackVersion } from '../version-blob.ts';
import { memoriesFor } from './memories.ts';
import { renderReport } from './report-page.ts';
import { trainTrunk, type TrainedVersion, type TrainTrunkOptions } from './train-trunk.ts';

const START = 1_760_000_000_000;
const ROWS = 3_000;
const ARMS = ['a', 'b', 'c'].map((id) => ({ id, features: {} }));
const page = { source: 'context', name: 'page', encoding: { as: 'oneHot', values: ['bill', 'shop'] }, missing: false } as const;
const encoder: EncoderSpec = { kind: 'declared', fields: [page], profile: [], crosses: [], priorRate: 0.3 };

/** One decision an hour, drawn uniformly from three actions: four months. @param rate of acceptance of decision i by arm */
const logOf = (seed: number, rate: (i: number, arm: number) => number): LoggedDecisions => {
  const uniforms = createUniformState();
  seedUniform(uniforms, seed);
  const decisions = Array.from({ length: ROWS }, (_, i): LoggedDecision => {
    const arm = Math.floor(nextUniform(uniforms) * 3);
    const target = nextUniform(uniforms) < rate(i, arm) ? 1 : 0;
    const atMs = START + i * HOUR_MS;
    return {
      ...momentAt(i, atMs),
      candidates: ARMS,
      propensities: [0.3, 0.3, 0.3],
      priorities: [0.3, 0.3, 0.3],
      gammas: [5, 5, 5],
      probabilities: [1 / 3, 1 / 3, 1 / 3],
      noneProbability: null,
      group: 'model',
      modelVersion: 'm',
      chosen: [{ rank: 1, index: arm, probability: 1 / 3, value: 1 }],
      rewards: [{ target, reward: target, outcome: 'none', matured: true }],
      asServed: true,
    };
  });
  return {
    async *read({ fromMs = 0, toMs = Infinity }) {
      yield decisions.filter(({ decidedAtMs }) => decidedAtMs >= fromMs && decidedAtMs < toMs);
    },
  };
};
const momentAt = (i: number, atMs: number) => ({
  decisionId: `d-${i}`,
  loop: '',
  customerKey: '' as CustomerKey,
  decidedAtMs: atMs,
  request: {
    view: UNKNOWN_CUSTOMER,
    context: { page: i % 2 === 0 ? 'bill' : 'shop' },
    channel: 'app',
    direction: 'inbound' as const,
    placement: null,
    nowMs: atMs,
  },
});
const train = (logged: LoggedDecisions, memories: TrainTrunkOptions['memories'] = memoriesFor(encoder)): Promise<TrainedVersion> =>
  trainTrunk(
    {
      loop: '',
      encoder,
      fromMs: 0,
      toMs: START + ROWS * HOUR_MS,
      objective: 'observed',
      clip: 10,
      maxRows: 100_000,
      candidates: [{ hidden: [], activation: 'relu', learningRate: 0.003, weightDecay: 1e-4, batchRows: 128 }],
      outputs: 8,
      seed: 1,
      maxEpochs: 2,
      patience: 2,
      negativesPerPositive: 100,
      memories,
      backend: 'cpu',
    },
    {
      logged,
      progressFile: () => ({ read: async () => null, write: async () => {}, remove: async () => {} }),
      onBegun: async () => {},
      onProgress: () => {},
      say: () => {},
    },
  );
const halfLifeOf = ({ report }: TrainedVersion): string => report.memory.chosen;
/** The best arm is another one every 20 days. */
const turning = (i: number, arm: number): number => [0.1, 0.1, 0.8][(arm + Math.floor(i / 480)) % 3]!;
const still = (_: number, arm: number): number => [0.1, 0.3, 0.5][arm]!;

test('a world that turns every 20 days is remembered for days, one that stands still for months', { timeout: 60_000 }, async () => {
  const fast = await train(logOf(1, turning));
  expect(['2 days', '7 days']).toContain(halfLifeOf(fast));
  const { memory } = fast.report;
  expect(memory.trials.map(({ halfLife }) => halfLife)).toEqual(['60 days', '2 days', '7 days', '20 days', '180 days']);
  expect(memory.trials.filter(({ chosen }) => chosen)).toMatchObject([{ halfLife: memory.chosen, excess: 0 }]);
  expect(memory.trials[0]!.excess).toBeGreaterThan(3 * memory.trials[0]!.excessError);
  // The held-out part judges the version as a whole: no memory was chosen by it.
  expect(memory.rows).toBeLessThan(0.8 * ROWS);
  const html = await renderReport(fast.report, fast.version);
  expect(html).toContain('<strong>Loss by half-life.</strong>');
  expect(html).toMatch(new RegExp(`<td>${memory.chosen}</td>.*<td>chosen</td>`));

  const slow = await train(logOf(2, still));
  expect(['60 days', '180 days']).toContain(halfLifeOf(slow));
  expect(slow.report.memory.trials[1]!.excess).toBeGreaterThan(slow.report.memory.trials[1]!.excessError);
  const given = await train(logOf(2, still), memoriesFor(encoder, [2, Infinity]));
  expect(halfLifeOf(given)).toBe('never forget');
});

test('the version forgets by it: its posterior, and a learner that begins anew on it', { timeout: 60_000 }, async () => {
  const { versionBlob, posterior, version, report } = await train(logOf(3, turning), memoriesFor(encoder, [7]));
  expect(report.memory).toEqual({ chosen: '7 days', rows: 0, trials: [] });
  expect(unpackVersion(versionBlob).memory).toEqual({ halfLifeDays: 7, halfLifeRows: 0, sharedHalfLifeRows: 0 });
  const experienceAt = (i: number, atMs: number): Experience => ({
    ...momentAt(i, atMs),
    rank: 1,
    action: ARMS[0]!,
    probability: 1 / 3,
    propensity: 0.3,
  });
  const restored = restoreLearner(posterior);
  expect(restored.version).toBe(version);
  const before = restored.effectiveN;
  const endMs = START + (ROWS - 1) * HOUR_MS;
  restored.learnShown(experienceAt(ROWS, endMs + 7 * DAY_MS), 1);
  expect(restored.effectiveN).toBeCloseTo(before / 2 + 1, 6);

  // What a learner does anyway is not said: the trunk keeps its version's name.
  const usual = await train(logOf(3, turning), memoriesFor(encoder, [60]));
  expect(unpackVersion(usual.versionBlob).memory).toBeUndefined();
  expect(usual.version).not.toBe(version);

  const anew = createLearnerOf(versionBlob);
  for (let i = 0; i < 100; i++) anew.learnShown(experienceAt(i, endMs), i % 2);
  anew.learnShown(experienceAt(100, endMs + 7 * DAY_MS), 1);
  expect(anew.effectiveN).toBeCloseTo(51, 6);

  // In what it serves: after ten half-lives, a few days of the contrary weigh more than all that was before.
  const accepted = (learner: ReturnType<typeof createLearnerOf>, atMs: number): number => {
    const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };
    createVersion(learner.versionBlob).open(learner.publish().snapshotBlob).score(momentAt(0, atMs).request, [ARMS[0]!], out);
    return out.propensities[0]!;
  };
  const longer = createLearnerOf(versionBlob, { halfLifeDays: 365 });
  const later = endMs + 70 * DAY_MS;
  const learners = [createLearnerOf(versionBlob), longer] as const;
  for (const learner of learners) {
    for (let i = 0; i < 1_000; i++) learner.learnShown(experienceAt(i, endMs), 0);
    for (let i = 0; i < 200; i++) learner.learnShown(experienceAt(1_000 + i, later), 1);
  }
  const [short, long] = learners.map((learner) => accepted(learner, later)) as [number, number];
  expect(short).toBeGreaterThan(0.7);
  expect(long).toBeLessThan(0.4);
});
