/** Plays a bandit problem through the product: its decision, its learner, its snapshots, as callers' own candidates would be. */
import { fileURLToPath } from 'node:url';
import { UNKNOWN_CUSTOMER, type ActionProfile, type Experience, type ScoringRequest } from '#contracts';
import { compileCatalog, decide } from '#decisioning';
import { createLearner, createVersion, genericEncoder } from '#models';
import { loadProject } from '#project';

export interface BanditProblem {
  readonly arms: readonly string[];
  readonly rounds: number;
  context(round: number): Readonly<Record<string, string | number>>;
  /** As it is observed. */
  reward(round: number, arm: number): number;
  /** Of an arm against the best one, in expectation. */
  regret(round: number, arm: number): number;
}

export interface Played {
  /** Regret as % of the uniform policy's expected one. */
  readonly percentOfUniform: number;
  readonly seconds: number;
}

/** A snapshot after so many rounds: at first each, later every 2 %, at most 64 (a thirtieth of a second of a busy loop). */
const roundsUntilSnapshot = (round: number): number => Math.max(1, Math.min(64, Math.floor(round / 50)));

const NOW_MS = Date.UTC(2026, 0, 1);
const MS_A_ROUND = 10;

export const play = (problem: BanditProblem, seed: number): Played => {
  const catalog = compileCatalog(loadProject(fileURLToPath(new URL('../../catalog/bank', import.meta.url))));
  const learner = createLearner({ encoder: genericEncoder(), loop: 'bench', seed: seed + 1 });
  learner.carriesVariances = true;
  const version = createVersion(learner.versionBlob);
  const candidates: readonly ActionProfile[] = problem.arms.map((id) => ({ id, features: {} }));
  const uniform = uniformRegret(problem);
  const random = mulberry32(seed * 7_919 + 17);
  let scorer = version.open(learner.publish().snapshotBlob);
  let next = 1;
  let regret = 0;
  const startedMs = performance.now();
  for (let round = 0; round < problem.rounds; round++) {
    const nowMs = NOW_MS + round * MS_A_ROUND;
    const request: ScoringRequest = {
      view: UNKNOWN_CUSTOMER,
      context: problem.context(round),
      channel: 'app',
      direction: 'inbound',
      placement: null,
      nowMs,
    };
    const { chosen } = decide({
      ...request,
      catalog,
      scorer,
      controls: null,
      limit: 1,
      ownCandidates: candidates,
      allowNone: false,
      seed: Math.floor(random() * 2 ** 32) * 2 ** 20 + Math.floor(random() * 2 ** 20),
      group: 'model',
    });
    const { index, probability, propensity } = chosen[0]!;
    regret += problem.regret(round, index);
    const experience: Experience = {
      decisionId: String(round),
      rank: 1,
      request,
      action: candidates[index]!,
      probability,
      propensity,
      decidedAtMs: nowMs,
    };
    learner.learnShown(experience, problem.reward(round, index));
    if (round + 1 < next) continue;
    next = round + 1 + roundsUntilSnapshot(round + 1);
    scorer = version.open(learner.publish().snapshotBlob);
  }
  return { percentOfUniform: (100 * regret) / uniform, seconds: (performance.now() - startedMs) / 1_000 };
};

const uniformRegret = (problem: BanditProblem): number => {
  const { arms, rounds } = problem;
  let sum = 0;
  for (let round = 0; round < rounds; round++) for (let arm = 0; arm < arms.length; arm++) sum += problem.regret(round, arm) / arms.length;
  return sum;
};

export const mulberry32 = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};
