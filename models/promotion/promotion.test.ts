import { expect, test } from 'vitest';
import { createUniformState, nextUniform, seedUniform } from '../exploration/index.ts';
import { createCalibrationError } from './calibration-error.ts';
import { createPairedDifference, type PairedDifference } from './paired-difference.ts';
import { DEFAULT_LIMITS, promotionGate, type GateEvidence } from './promotion-gate.ts';

const ARMS = 4;
/** P(accepted) of an arm for a customer of a kind; each arm is worth 10. */
const rate = (kind: number, arm: number): number => 0.1 + 0.1 * ((kind + arm) % ARMS);

/** A log by a policy that explores, and two others judged on it: `skill` is how often each picks the right arm of a kind. */
const replay = (seed: number, decisions: number, championSkill: number, challengerSkill: number): PairedDifference => {
  const state = createUniformState();
  seedUniform(state, seed);
  const uniform = (): number => nextUniform(state);
  const policyOf = (kind: number, skill: number): number[] => {
    const best = Array.from({ length: ARMS }, (_, arm) => arm).toSorted((a, b) => rate(kind, b) - rate(kind, a))[0]!;
    return Array.from({ length: ARMS }, (_, arm) => (arm === best ? skill + (1 - skill) / ARMS : (1 - skill) / ARMS));
  };
  const sum = createPairedDifference();
  for (let i = 0; i < decisions; i++) {
    const kind = Math.floor(uniform() * ARMS);
    const logged = policyOf(kind, 0.5);
    const at = uniform();
    let chosen = 0;
    for (let below = logged[0]!; at >= below && chosen < ARMS - 1; below += logged[chosen]!) chosen++;
    sum.add({
      customerKey: `c-${i % Math.ceil(decisions / 3)}`,
      reward: uniform() < rate(kind, chosen) ? 10 : 0,
      chosen,
      logged,
      champion: policyOf(kind, championSkill),
      challenger: policyOf(kind, challengerSkill),
      worth: Array.from({ length: ARMS }, (_, arm) => 20 * rate(kind, arm)),
    });
  }
  return sum.estimate();
};
const valueOf = (skill: number): number => 10 * (skill * 0.4 + (1 - skill) * 0.25);

test('the difference is unbiased: over many logs its mean is the true one, and the bound is below it in 95 %', () => {
  const truth = valueOf(0.8) - valueOf(0.3);
  const found = Array.from({ length: 300 }, (_, seed) => replay(seed + 1, 300, 0.3, 0.8));
  const mean = found.reduce((sum, { difference }) => sum + difference, 0) / found.length;
  expect(Math.abs(mean - truth)).toBeLessThan(0.06);
  const covered = found.filter(({ low }) => low < truth).length / found.length;
  expect(covered).toBeGreaterThan(0.92);
  expect(covered).toBeLessThan(0.985);
});

test('one that is the same or slightly worse is promoted in no more than about 5 %, one that is truly better nearly always', () => {
  const promoted = (logs: number, n: number, champion: number, challenger: number): number =>
    Array.from({ length: logs }, (_, seed) => replay(seed + 1_000, n, champion, challenger).low > 0).filter(Boolean).length / logs;
  expect(promoted(20, 200, 0.5, 0.5)).toBe(0);
  expect(promoted(200, 200, 0.5, 0.48)).toBeLessThanOrEqual(0.07);
  expect(promoted(40, 1_000, 0.3, 0.8)).toBeGreaterThan(0.95);
});

test('a choice that the log could never have shown is told, and a notice that took the slot is left out', () => {
  const sum = createPairedDifference();
  const row = { customerKey: 'c', reward: 1, champion: [1, 0], challenger: [0, 1], worth: [1, 1] };
  sum.add({ ...row, chosen: 0, logged: [1, 0] });
  sum.add({ ...row, chosen: 0, logged: [0, 0] });
  expect(sum.estimate()).toMatchObject({ decisions: 1, unsupported: 1 });
  expect(createPairedDifference().estimate()).toMatchObject({ decisions: 0, difference: 0, low: 0 });
});

test('the calibration error of true rates is small, of doubled ones it is their excess', () => {
  const [good, bad] = [createCalibrationError(), createCalibrationError()];
  const state = createUniformState();
  seedUniform(state, 5);
  for (let i = 0; i < 20_000; i++) {
    const p = 0.05 + 0.4 * nextUniform(state);
    const happened = nextUniform(state) < p ? 1 : 0;
    good.add(p, happened);
    bad.add(2 * p, happened);
  }
  expect(good.error()).toBeLessThan(0.01);
  expect(bad.error()).toBeCloseTo(0.25, 1);
});

const EVIDENCE: GateEvidence = {
  value: {
    decisions: 1_000,
    customers: 600,
    difference: 0.2,
    low: 0.05,
    high: 0.35,
    championValue: 1,
    challengerValue: 1.2,
    effectiveN: 500,
    largestWeight: 4,
    unsupported: 0.01,
  },
  calibration: { decisions: 900, challenger: 0.02, champion: 0.01 },
  latency: { decisions: 400, challengerP99Us: 120, championP99Us: 100, where: 'in serving' },
};
const failing = (evidence: Partial<GateEvidence>, epsilon = 0) =>
  promotionGate({ ...EVIDENCE, ...evidence }, { ...DEFAULT_LIMITS, epsilon })
    .filter(({ holds }) => !holds)
    .map(({ name, found }) => `${name}: ${found}`);

test('each condition fails by itself and says what was found and what is asked', () => {
  expect(failing({})).toEqual([]);
  expect(failing({ calibration: null })).toEqual([]);
  expect(failing({ value: { ...EVIDENCE.value, low: -0.01 } })).toEqual([
    'value: +0.200 reward per decision, above −0.0100 with 95 %; more than 0 is asked',
  ]);
  expect(failing({ value: { ...EVIDENCE.value, low: -0.01 } }, 0.02)).toEqual([]);
  expect(failing({ value: { ...EVIDENCE.value, decisions: 150 } })[0]).toContain('data: 150 held-out matured decisions');
  expect(failing({ value: { ...EVIDENCE.value, unsupported: 0.2 } })[0]).toContain('support: 20.0 % of its choices');
  expect(failing({ calibration: { decisions: 900, challenger: 0.09, champion: 0.01 } })[0]).toContain(
    'calibration: its rates are off by 9.0 %',
  );
  expect(failing({ latency: { ...EVIDENCE.latency, challengerP99Us: 800 } })[0]).toContain('latency: p99 800 µs');
});
