/** Judges a challenger by the warehouse's matured decisions, those that it had not learned from: value, support, calibration, latency. */
import { AttuneError } from '#contracts';
import type { Scorer } from '#contracts';
import { compileCatalog, firstSlotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import {
  asymptoticInterval,
  calibrationErrorOf,
  crossFit,
  doublyRobust,
  judgePromotion,
  pairedTerms,
  supportOf,
  valueOf,
} from '#models/evaluation';
import type { PromotionEvidence, PromotionJudgement, PromotionLimits, RewardModel } from '#models/evaluation';
import { loadProject } from '#project';
import type { PromotionLatency } from '#serving';
import type { Warehouse } from '#warehouse';
import { loggedDecisionsOf } from '../open-logged-decisions.ts';
import type { Stores } from '../open-stores.ts';
import { createLoggedRounds, type Rounds } from './logged-rounds.ts';
import { readModels } from './read-models.ts';
import { openScorerAt, type ScorerAt } from './scorer-at.ts';

export interface JudgeDeps extends Pick<Stores, 'log' | 'store'> {
  readonly warehouse: Warehouse;
  readonly catalogDir: string;
}

export interface JudgeQuestion {
  readonly loop: string;
  readonly version: string;
  /** As measured in serving; null: measured here, on the logged requests. */
  readonly latency: PromotionLatency | null;
  readonly limits?: PromotionLimits;
  /** Only decisions from here on, ms since 1970 UTC. */
  readonly fromMs?: number;
}

/** Throws `promotion.unknown`, `promotion.no-champion`, `promotion.no-artifact`, `promotion.no-decisions`. */
export const judgeVersion = async (deps: JudgeDeps, question: JudgeQuestion): Promise<PromotionJudgement> => {
  const { loop, version } = question;
  const registry = await readModels(deps.log);
  const known = registry.find(loop, version);
  if (known === null) throw new AttuneError('promotion.unknown', `there is no model version "${version}" in loop "${loop}"`);
  const name = registry.roles.champion(loop);
  const reigning = name === null ? null : registry.find(loop, name);
  if (reigning === null) throw new AttuneError('promotion.no-champion', `loop "${loop}" has no champion to compare with`);
  if (name === version) throw new AttuneError('promotion.unknown', `${version} is the champion already`);

  const { blobs } = deps.store;
  const [challenger, champion] = [await openScorerAt(blobs, known), await openScorerAt(blobs, reigning)];
  const project = loadProject(deps.catalogDir);
  const catalog = compileCatalog(project);
  const fromMs = Math.max(challenger.fromMs, question.fromMs ?? 0);
  const decisions = Number.isFinite(fromMs)
    ? loggedDecisionsOf({ warehouse: deps.warehouse, blobs, project }).read({ loop, fromMs, maturedOnly: true })
    : [];
  const seen = await replay({ decisions, catalog, challenger, champion, championVersion: reigning.version });
  if (seen.rounds.customers < FOLDS)
    throw new AttuneError(
      'promotion.no-decisions',
      `there are ${seen.rounds.count} matured decisions of ${seen.rounds.customers} customers that ${version} has not learned from; it needs time beside the champion`,
    );
  const evidence = evidenceOf(seen, question.latency ?? seen.latency);
  const judged = judgePromotion(evidence, question.limits);
  const conditions = judged.conditions.map((condition) =>
    condition.name === 'latency' && question.latency === null
      ? { ...condition, found: `${condition.found} (scoring alone, timed here; no API has tried it)` }
      : condition,
  );
  return {
    ...judged,
    conditions,
    figures: {
      ...judged.figures,
      challengerValue: evidence.champion + evidence.difference.value,
      customers: seen.rounds.customers,
      heldOutFromMs: fromMs,
    },
  };
};

interface Seen {
  readonly rounds: Rounds;
  readonly calibration: PromotionEvidence['calibration'];
  readonly latency: PromotionLatency;
}

const FOLDS = 5;
const SEED = 1;

const evidenceOf = ({ rounds, calibration }: Seen, latency: PromotionLatency): PromotionEvidence => {
  const { log, challenger, champion, possible, clusters } = rounds;
  const rewards = crossFit(log, worthModel(rounds), { folds: FOLDS, seed: SEED, clusters });
  const [own, other] = [doublyRobust(log, challenger, rewards), doublyRobust(log, champion, rewards)];
  return {
    difference: asymptoticInterval(pairedTerms(own, other), { clusters }),
    champion: valueOf(other),
    support: supportOf(log, challenger, possible),
    championOutside: supportOf(log, champion, possible).outside,
    calibration,
    latency,
  };
};

/** The logged priority on the scale of rewards: r ≈ β · priority, through 0, since `none` brings nothing. */
const worthModel =
  ({ log, worth }: Rounds): RewardModel =>
  (rows) => {
    const K = log.actions;
    let [xy, xx] = [0, 0];
    for (const row of rows) {
      const x = worth[row * K + log.action[row]!]!;
      xy += x * log.reward[row]!;
      xx += x * x;
    }
    const beta = xx === 0 ? 0 : xy / xx;
    return (row, out, at) => {
      for (let k = 0; k < K; k++) out[at + k] = beta * worth[row * K + k]!;
    };
  };

interface Replay {
  readonly decisions: AsyncIterable<readonly LoggedDecision[]> | Iterable<readonly LoggedDecision[]>;
  readonly catalog: Catalog;
  readonly challenger: ScorerAt;
  readonly champion: ScorerAt;
  readonly championVersion: string;
}

/** What both would have done at each decision, by what they knew then. */
const replay = async ({ decisions, catalog, challenger, champion, championVersion }: Replay): Promise<Seen> => {
  const rounds = createLoggedRounds();
  const [own, other, targets] = [[], [], []] as [number[], number[], number[]];
  const [ownUs, otherUs] = [[], []] as [number[], number[]];
  let isRate = true;
  let turn = 0;
  for await (const batch of decisions) {
    for (const decision of batch) {
      if (!isDrawn(decision)) continue;
      const scorer = await challenger.at(decision.decidedAtMs);
      // What the champion itself decided is as it was; the rest it would have decided by its own scores.
      const served = decision.modelVersion === championVersion && decision.group === 'model';
      const rival = await champion.at(decision.decidedAtMs);
      if (scorer === null || (rival === null && !served)) continue;
      const timed = (one: Scorer, into: number[]): Scores => {
        const startMs = performance.now();
        const scores = scoresOf(one, decision);
        into.push((performance.now() - startMs) * 1_000);
        return scores;
      };
      const championFirst = turn++ % 2 === 0;
      const before = rival !== null && championFirst ? timed(rival, otherUs) : null;
      const scores = timed(scorer, ownUs);
      const rivalScores = before ?? (rival === null ? null : timed(rival, otherUs));
      const logged = withNone(decision.probabilities, decision.noneProbability);
      const chosen = decision.chosen[0];
      const reward = decision.rewards[0] ?? null;
      const moment = { ...decision, allowsNone: decision.noneProbability !== null };
      rounds.add({
        customerKey: decision.customerKey,
        reward: chosen === undefined ? 0 : (reward?.reward ?? 0),
        chosen: chosen === undefined ? decision.candidates.length : chosen.index,
        logged,
        champion: served || rivalScores === null ? logged : firstSlotUnder(catalog, moment, rivalScores),
        challenger: firstSlotUnder(catalog, moment, scores),
        worth: decision.priorities.slice(0, decision.candidates.length),
      });
      if (chosen === undefined || reward === null || reward.target === null || chosen.index < 0) continue;
      if (reward.target < 0 || reward.target > 1) isRate = false;
      own.push(scores.propensities[chosen.index]!);
      other.push(decision.propensities[chosen.index]!);
      targets.push(reward.target);
    }
  }
  return {
    rounds: rounds.take(),
    calibration:
      isRate && targets.length > 0 ? { challenger: calibrationErrorOf(own, targets), champion: calibrationErrorOf(other, targets) } : null,
    latency: { decisions: Math.min(ownUs.length, otherUs.length), challengerP99Us: p99(ownUs), championP99Us: p99(otherUs) },
  };
};

/** By a lottery whose probabilities let other choices be weighed: not held out for `untouched`, and no notice in the first slot. */
const isDrawn = ({ group, chosen, request, candidates, probabilities, noneProbability }: LoggedDecision): boolean => {
  if (candidates.length === 0 || group === 'untouched' || (group === 'random' && request.direction === 'outbound')) return false;
  if (chosen[0] === undefined) return (noneProbability ?? 0) > 0;
  return chosen[0].index >= 0 && (probabilities[chosen[0].index] ?? 0) > 0;
};

interface Scores {
  readonly propensities: Float32Array;
  readonly effectiveN: Float32Array;
  readonly modelEffectiveN: number;
}

const scoresOf = (scorer: Scorer, { request, candidates }: LoggedDecision): Scores => {
  const out = { propensities: new Float32Array(candidates.length), effectiveN: new Float32Array(candidates.length) };
  scorer.score(request, candidates, out);
  return { ...out, modelEffectiveN: scorer.effectiveN };
};

const withNone = (probabilities: readonly number[], none: number | null): readonly number[] =>
  none === null ? probabilities : [...probabilities, none];

const p99 = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(0.99 * (values.length - 1))] ?? 0;
