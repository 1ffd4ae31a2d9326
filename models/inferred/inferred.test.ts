import { describe, expect, test } from 'vitest';
import { UNKNOWN_CUSTOMER, type AttributeValue, type Experience, type ScoringRequest } from '#contracts';
import { createLearner, createVersion, genericEncoder, restoreLearner } from '../index.ts';
import { unpackArtifact, packArtifact } from '../artifact.ts';
import { createFieldEncoder, inferFields } from './fields.ts';
import { INFERRED_TUNING, InferredLearner } from './inferred-learner.ts';

const NOW = Date.UTC(2026, 0, 1);
const requestOf = (context: Readonly<Record<string, AttributeValue>>): ScoringRequest => ({
  view: UNKNOWN_CUSTOMER,
  context,
  channel: 'app',
  direction: 'inbound',
  placement: null,
  nowMs: NOW,
});
const ARMS = ['left', 'right'].map((id) => ({ id, features: {} }));

/** `right` is right where x and y have the same sign: no single value tells. */
const rowOf = (i: number): { readonly experience: Experience; readonly target: number } => {
  const x = Math.sin(i * 12.9898) * 1_000;
  const y = Math.cos(i * 78.233) * 0.01;
  const arm = i % 2;
  const experience = {
    decisionId: String(i),
    rank: 1,
    request: requestOf({ x, y, plan: i % 3 === 0 ? 'basic' : 'plus' }),
    action: ARMS[arm]!,
    probability: 0.5,
    propensity: 0.5,
    decidedAtMs: NOW + i,
  };
  return { experience, target: x * y > 0 === (arm === 1) ? 1 : 0 };
};

const scoresOf = (learner: ReturnType<typeof createLearner>, request: ScoringRequest) => scorerOf(learner)(request);

const scorerOf = (learner: ReturnType<typeof createLearner>) => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const scorer = createVersion(versionBlob).open(snapshotBlob);
  const out = { propensities: new Float32Array(3), effectiveN: new Float32Array(3), standardErrors: new Float32Array(3) };
  return (request: ScoringRequest) => {
    scorer.score(request, [...ARMS, { id: 'new', features: {} }], out);
    return { means: [...out.propensities], errors: [...out.standardErrors] };
  };
};

const learned = (rows: number) => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'test' });
  learner.carriesVariances = true;
  for (let i = 0; i < rows; i++) {
    const { experience, target } = rowOf(i);
    learner.learnShown(experience, target);
  }
  return learner;
};

test('numbers are told from categories, of any unit, and what does not vary is left out', () => {
  const requests = Array.from({ length: 100 }, (_, i) =>
    requestOf({ amount: i * 1e6, flag: i % 2, plan: ['a', 'b', 'c'][i % 3]!, same: 1, mixed: i === 0 ? 'none' : i }),
  );
  const { fields, knots } = inferFields(requests);
  expect(fields.map(({ name, as }) => `${name} ${as}`)).toEqual(['c:amount rank', 'c:flag flag', 'c:mixed oneHot', 'c:plan oneHot']);
  const encoder = createFieldEncoder({ fields, knots });
  const x = new Float32Array(encoder.xDims);
  const at = (amount: AttributeValue): number => {
    encoder.encode(requestOf({ amount }), x);
    return x[1]!;
  };
  expect([at(-1), at(0), at(1e12)].map((z) => z.toFixed(3))).toEqual(['-1.732', '-1.732', '1.732']);
  expect(at(49.5e6)).toBeCloseTo(0, 1);
  expect(at('no number')).toBe(0);
});

test('many categories share what room there is, the most frequent first', () => {
  const requests = Array.from({ length: 4_000 }, (_, i) =>
    requestOf(Object.fromEntries(Array.from({ length: 40 }, (__, field) => [`c${field}`, `v${Math.floor((i % 61) / (1 + (field % 2)))}`]))),
  );
  const { fields } = inferFields(requests);
  const sizes = fields.map((field) => (field.as === 'oneHot' ? field.values.length : 1));
  expect(sizes).toHaveLength(40);
  expect(new Set(sizes).size).toBe(1);
  expect(sizes[0]! * 40).toBeLessThanOrEqual(512);
  expect(sizes[0]! * 40).toBeGreaterThan(400);
});

test('learns what no single value tells, whatever the units, and knows what it has not tried', () => {
  const score = scorerOf(learned(1_500));
  let right = 0;
  for (let i = 5_000; i < 5_200; i++) {
    const { experience } = rowOf(i);
    const { x, y } = experience.request.context as { x: number; y: number };
    const { means, errors } = score(experience.request);
    const saysRight = means[1]! > means[0]!;
    if (saysRight === x * y > 0) right++;
    expect(errors[2]).toBeGreaterThan(2 * errors[0]!);
  }
  expect(right).toBeGreaterThan(180);
});

test.each([20, 100, 1_000])('a checkpoint after %i rows goes on as the learner would', (rows) => {
  const learner = learned(rows);
  const restored = restoreLearner(learner.checkpoint());
  for (let i = rows; i < rows + 200; i++) {
    const { experience, target } = rowOf(i);
    for (const one of [learner, restored]) one.learnShown(experience, target);
  }
  const [a, b] = [learner, restored].map((one) => scoresOf(one, rowOf(7_777).experience.request));
  expect(b!.means.map((mean, i) => Math.abs(mean - a!.means[i]!) < 1e-3)).toEqual([true, true, true]);
});

test.each([200, 700])('after %i rows a learner that is restored publishes what the one that goes on does, bit for bit', (rows) => {
  const learner = learned(rows);
  learner.publish();
  const restored = restoreLearner(learner.checkpoint());
  restored.carriesVariances = true;
  for (let i = rows; i < rows + 100; i++) {
    const { experience, target } = rowOf(i);
    for (const one of [learner, restored]) one.learnShown(experience, target);
    if (i % 20 === 0) expect(restored.publish()).toEqual(learner.publish());
  }
});

test('what was tried long ago is uncertain again when it is forgotten', () => {
  const learner = learned(1_000);
  const before = scorerOf(learner)(rowOf(9).experience.request).errors;
  for (let i = 1_000; i < 1_040; i++) {
    const { experience, target } = rowOf(i);
    // Only `left` is shown, ten half-lives later.
    learner.learnShown({ ...experience, action: ARMS[0]!, decidedAtMs: NOW + 600 * 86_400_000 + i }, target);
  }
  const after = scorerOf(learner)(rowOf(9).experience.request).errors;
  expect(before[1]).toBeLessThan(0.5 * before[2]!);
  expect(after[1]).toBeGreaterThan(2 * before[1]!);
});

test('a reward beyond all bounds stops no publication', () => {
  const learner = learned(300);
  const { experience } = rowOf(301);
  learner.learnShown(experience, 1e200);
  for (let i = 302; i < 700; i++) {
    learner.learnShown(rowOf(i).experience, rowOf(i).target);
    if (i % 40 === 0) learner.publish();
  }
  const { means, errors } = scoresOf(learner, experience.request);
  expect([...means, ...errors].every(Number.isFinite)).toBe(true);
});

test('a late outcome counts as if it had been known at once', () => {
  const late = createLearner({ encoder: genericEncoder(), loop: 'test' });
  const atOnce = createLearner({ encoder: genericEncoder(), loop: 'test' });
  for (let i = 0; i < 400; i++) {
    const { experience, target } = rowOf(i);
    atOnce.learnShown(experience, target);
    late.learnShown(experience, 0);
    if (i >= 5) late.correct(rowOf(i - 5).experience, 0, rowOf(i - 5).target);
  }
  for (let i = 395; i < 400; i++) late.correct(rowOf(i).experience, 0, rowOf(i).target);
  const [a, b] = [atOnce, late].map((one) => scoresOf(one, rowOf(7_777).experience.request).means);
  for (let arm = 0; arm < 2; arm++) expect(Math.abs(a![arm]! - b![arm]!)).toBeLessThan(0.15);
});

test('rewards of any size keep their scale', () => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'test' });
  for (let i = 0; i < 600; i++) {
    const { experience, target } = rowOf(i);
    learner.learnShown(experience, 1_000 + 500 * target);
  }
  const { means } = scoresOf(learner, requestOf({ x: 900, y: 0.009, plan: 'plus' }));
  expect(means[1]! - means[0]!).toBeGreaterThan(250);
  expect(means[0]).toBeGreaterThan(900);
});

test('a target that is no number is refused', () => {
  expect(() => learned(40).learnShown(rowOf(41).experience, Number.NaN)).toThrow(/finite number/);
});

test('a snapshot of many candidates fits into a record of the log, and their errors still tell what was tried', () => {
  const learner = createLearner({ encoder: genericEncoder(), loop: 'test' });
  learner.carriesVariances = true;
  for (let i = 0; i < 520; i++) {
    const { experience, target } = rowOf(i);
    learner.learnShown({ ...experience, action: { id: `arm${i % 64}`, features: {} } }, target);
  }
  // Not all are drawn anew in one publication; `arm1` is among the first.
  const bytes = learner.publish().snapshotBlob;
  expect(bytes.length).toBeLessThan(1_000_000);
  const out = { propensities: new Float32Array(2), effectiveN: new Float32Array(2), standardErrors: new Float32Array(2) };
  const scorer = createVersion(learner.versionBlob).open(bytes);
  scorer.score(
    rowOf(1).experience.request,
    ['arm1', 'new'].map((id) => ({ id, features: {} })),
    out,
  );
  expect(out.standardErrors[0]).toBeGreaterThan(0);
  expect(out.standardErrors[1]).toBeGreaterThan(1.2 * out.standardErrors[0]!);
});

describe('a checkpoint', () => {
  const learner = new InferredLearner(1, INFERRED_TUNING);
  for (let i = 0; i < 140; i++) learner.learnShown(rowOf(i).experience, rowOf(i).target);
  learner.snapshot(true);
  const { header, arrays } = unpackArtifact<Record<string, unknown> & { readonly arms: readonly Record<string, unknown>[] }>(
    learner.checkpoint(),
  );
  const next = (one: InferredLearner) => {
    one.learnShown(rowOf(140).experience, rowOf(140).target);
    return one.snapshot(false).arrays;
  };

  test('of the format before is read', () => {
    const arms = header.arms.map(({ id, weight, squares }) => ({ id, weight, squares }));
    const former = Object.fromEntries(Object.entries(arrays).filter(([name]) => !name.startsWith('d')));
    const restored = InferredLearner.restore(packArtifact({ header: { ...header, arms, format: 1 }, arrays: former }));
    const same = InferredLearner.restore(learner.checkpoint());
    expect(restored.candidates).toBe(2);
    expect(restored.effectiveN).toBe(same.effectiveN);
    const [a, b] = [next(restored), next(same)].map(({ heads }) => heads as Float32Array);
    expect(Math.max(...a!.map((weight, i) => Math.abs(weight - b![i]!)))).toBeLessThan(1e-2);
  });

  test('of a format that is not known is refused by its name', () => {
    const unknown = packArtifact({ header: { ...header, format: 3 }, arrays });
    expect(() => InferredLearner.restore(unknown)).toThrow(/has format 3, and this Attune reads 1 and 2/);
  });
});
