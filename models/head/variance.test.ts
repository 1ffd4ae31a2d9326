import { hashUnit, UNKNOWN_CUSTOMER, type ActionProfile, type CustomerView, type Experience, type ScoreBuffers } from '#contracts';
import { describe, expect, test } from 'vitest';
import { createLearner, createVersion, genericEncoder, restoreLearner, type EncoderSpec, type Learner } from '../index.ts';
import { createUniformState, nextUniform, seedUniform } from '../exploration/index.ts';
import { conjugateGradient } from './conjugate-gradient.ts';
import { createSparseRow } from './sparse-row.ts';
import { openVariances, sketchVariances } from './variance.ts';

const uniforms = createUniformState();
const next = (): number => nextUniform(uniforms);
const NOW = 1_700_000_000_000;
const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const declared: EncoderSpec = {
  kind: 'declared',
  priorRate: 0.2,
  profile: ['topic'],
  crosses: [],
  fields: names.map((name) => ({
    source: 'feature',
    name,
    missing: false,
    encoding: { as: 'number', transform: 'none', shift: 0, scale: 1, clip: 3 },
  })),
};
const actions: ActionProfile[] = ['x', 'y', 'z'].map((id) => ({ id, features: { topic: 't' } }));
const experience = (i: number, features: Float32Array, action: ActionProfile): Experience => {
  const view: CustomerView = {
    ...UNKNOWN_CUSTOMER,
    known: true,
    features,
    featureNames: names,
  };
  const request = { view, context: {}, channel: 'app', direction: 'inbound' as const, placement: null, nowMs: NOW };
  return { decisionId: `d${i}`, rank: 1, probability: 0.5, propensity: 0.2, decidedAtMs: NOW, action, request };
};
const moment = (): Float32Array => Float32Array.from(names, () => 2 * next() - 1);
const scoreOf = (learner: Learner, features: Float32Array, of = actions): ScoreBuffers => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const n = of.length;
  const out = { propensities: new Float32Array(n), effectiveN: new Float32Array(n), standardErrors: new Float32Array(n) };
  createVersion(versionBlob)
    .open(snapshotBlob)
    .score(experience(0, features, of[0]!).request, of, out);
  return out;
};

describe("the sketch of the posterior's variances", () => {
  test('lies near the exact φᵀ(A + Λ)⁻¹φ: half of the actions and moments within 15 %, nine of ten within 40 %', () => {
    seedUniform(uniforms, 61);
    const dims = 48;
    const mixing = Float64Array.from({ length: dims * 10 }, () => 2 * next() - 1);
    // Features of ten hidden causes and noise, as encoders make them; x[0] is 1.
    const draw = (): Float64Array => {
      const causes = Array.from({ length: 10 }, () => 2 * next() - 1);
      return Float64Array.from({ length: dims }, (_, i) =>
        i === 0 ? 1 : causes.reduce((sum, cause, k) => sum + cause * mixing[i * 10 + k]!, 0.3 * (2 * next() - 1)),
      );
    };
    const ridge = Float64Array.from({ length: dims }, (_, i) => 4 + (i % 5) * 3);
    const owns = [30, 100, 400, 1_500, 6_000].map((rows) => {
      const a = new Float64Array((dims * (dims + 1)) / 2);
      for (let r = 0; r < rows; r++) {
        const phi = draw();
        for (let i = 0, at = 0; i < dims; i++) for (let j = 0; j <= i; j++) a[at++]! += phi[i]! * phi[j]!;
      }
      return { a };
    });
    const shared = { dims: 4, met: [], diagonal: () => 0 };
    const arrays = sketchVariances({ dims, owns, ownRidges: ridge, today: 1, shared, sharedRidgeOf: () => 1, sharedToday: 1, noise: 1 });
    const variances = openVariances(arrays)!;
    const nobody = { index: new Int32Array(0), value: new Float64Array(0) };
    const ratios: number[] = [];
    for (let k = 0; k < 60; k++) {
      const phi = draw();
      variances.moment(phi);
      owns.forEach(({ a }, row) => {
        const x = new Float64Array(dims);
        for (let again = 0; again < 4; again++) conjugateGradient({ a, dims, ridge, rhs: phi, x, iterations: 60 });
        const exact = x.reduce((sum, value, i) => sum + value * phi[i]!, 0);
        ratios.push(Math.sqrt(variances.of(row + 1, nobody, createSparseRow(1)) / exact));
      });
    }
    const off = ratios.map((ratio) => Math.abs(Math.log(ratio))).toSorted((a, b) => a - b);
    expect(off[Math.floor(off.length / 2)]).toBeLessThan(Math.log(1.15));
    expect(off[Math.floor(off.length * 0.9)]).toBeLessThan(Math.log(1.4));
  });
});

describe('a snapshot with variances', () => {
  const teach = (learner: Learner, rows: number, target: (phi: Float32Array, action: ActionProfile) => number, of = actions): void => {
    for (let i = 0; i < rows; i++) {
      const features = moment();
      const action = of[i % of.length]!;
      learner.learnShown(experience(i, features, action), target(features, action));
      if (i % 200 === 199) learner.publish();
    }
  };
  const rate = (features: Float32Array, { id }: ActionProfile): number => 0.2 + 0.12 * features[0]! * (id === 'x' ? 1 : -1);

  test('knows how far its rates may be off: the errors are of the size that it says', () => {
    seedUniform(uniforms, 62);
    const learner = createLearner({ encoder: declared, loop: '' });
    learner.carriesVariances = true;
    teach(learner, 6_000, (features, action) => (next() < rate(features, action) ? 1 : 0));
    let squares = 0;
    for (let k = 0; k < 60; k++) {
      const features = moment();
      const { propensities, standardErrors } = scoreOf(learner, features);
      actions.forEach((action, i) => (squares += ((propensities[i]! - rate(features, action)) / standardErrors![i]!) ** 2 / (60 * 3)));
    }
    expect(Math.sqrt(squares)).toBeGreaterThan(0.4);
    expect(Math.sqrt(squares)).toBeLessThan(1.6);
  });

  test('an error shrinks with what was seen, and is largest for an action that nobody has seen', () => {
    seedUniform(uniforms, 63);
    const learner = createLearner({ encoder: declared, loop: '' });
    learner.carriesVariances = true;
    const features = moment();
    const few = (teach(learner, 300, (phi, action) => (next() < rate(phi, action) ? 1 : 0)), scoreOf(learner, features));
    teach(learner, 6_000, (phi, action) => (next() < rate(phi, action) ? 1 : 0));
    const many = scoreOf(learner, features, [...actions, { id: 'new', features: { topic: 't' } }]);
    expect(many.standardErrors![0]).toBeLessThan(0.6 * few.standardErrors![0]!);
    expect(many.standardErrors![3]).toBeGreaterThan(2 * many.standardErrors![0]!);
    expect(many.hasStandardErrors).toBe(true);
  });

  test('errors have the scale of the rewards, through a checkpoint as well', () => {
    const errorsAt = (scale: number): number => {
      seedUniform(uniforms, 64);
      const learner = createLearner({ encoder: genericEncoder(), loop: 'prices' });
      teach(learner, 400, (features) => scale * (3 + features[0]! + 4 * (next() - 0.5)));
      const restored = restoreLearner(learner.checkpoint());
      restored.carriesVariances = true;
      return scoreOf(
        restored,
        Float32Array.from(names, () => 0.5),
      ).standardErrors![0]!;
    };
    const one = errorsAt(1);
    expect(one).toBeGreaterThan(0);
    expect(errorsAt(1_000) / one).toBeCloseTo(1_000, -1);
  });

  test('carries nothing unless it is asked to, and then errors are left alone', () => {
    const learner = createLearner({ encoder: declared, loop: '' });
    const plain = learner.publish().snapshotBlob.length;
    const out = scoreOf(
      learner,
      Float32Array.from(names, (_, i) => hashUnit(`${i}`, 1)),
    );
    expect(out.hasStandardErrors).toBe(false);
    learner.carriesVariances = true;
    expect(learner.publish().snapshotBlob.length).toBeGreaterThan(plain);
  });
});
