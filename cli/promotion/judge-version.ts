/** Judges a challenger by the warehouse's matured decisions, those that it had not learned from: value, support, calibration, latency. */
import { AttuneError } from '#contracts';
import type { Scorer } from '#contracts';
import { compileCatalog, slotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { LoggedDecision } from '#models';
import { calibrationErrorOf, collectRounds, judgePromotion, loggedPolicy, weighPair } from '#models/evaluation';
import type { CollectedRounds, Policy, PromotionEvidence, PromotionJudgement, PromotionLimits } from '#models/evaluation';
import { loadProject } from '#project';
import type { PromotionLatency } from '#serving';
import type { Warehouse } from '#warehouse';
import { REWARD_FEATURES, scoresOf, type Scores } from '../evaluation/model-policy.ts';
import { loggedDecisionsOf } from '../open-logged-decisions.ts';
import type { Stores } from '../open-stores.ts';
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
  const replay = replayOf({ catalog, challenger, champion, championVersion: reigning.version });
  const logged = loggedDecisionsOf({ warehouse: deps.warehouse, blobs, project });
  const rounds = Number.isFinite(fromMs) ? await roundsOf(replay, logged.read({ loop, fromMs, maturedOnly: true })) : null;
  const weighed = rounds === null ? null : weighPair(rounds, { seed: SEED });
  if (weighed === null || weighed.customers < LEAST_CUSTOMERS)
    throw new AttuneError(
      'promotion.no-decisions',
      `there are ${rounds?.log.action.length ?? 0} matured decisions of ${weighed?.customers ?? 0} customers that ${version} has not learned from; it needs time beside the champion`,
    );
  const evidence: PromotionEvidence = {
    ...weighed,
    calibration: replay.calibration(),
    latency: question.latency ?? replay.latency(),
  };
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
      challengerValue: weighed.challenger,
      customers: weighed.customers,
      heldOutFromMs: fromMs,
    },
  };
};

/** As many as q̂ has folds: each predicts for customers that it was not fitted on. */
const LEAST_CUSTOMERS = 5;
const SEED = 1;

/** Null: none of them says anything. */
const roundsOf = async (
  { champion, challenger, prepare }: Replay,
  decisions: AsyncIterable<readonly LoggedDecision[]>,
): Promise<CollectedRounds | null> => {
  try {
    return await collectRounds(prepare(decisions), { policies: [champion, challenger], features: REWARD_FEATURES });
  } catch (error) {
    if (error instanceof AttuneError && error.code === 'evaluation.no-data') return null;
    throw error;
  }
};

interface ReplayOf {
  readonly catalog: Catalog;
  readonly challenger: ScorerAt;
  readonly champion: ScorerAt;
  readonly championVersion: string;
}

interface Replay {
  readonly champion: Policy;
  readonly challenger: Policy;
  /** Passes on the decisions that both have something to say of, once both have. */
  readonly prepare: (decisions: AsyncIterable<readonly LoggedDecision[]>) => AsyncIterable<readonly LoggedDecision[]>;
  readonly calibration: () => PromotionEvidence['calibration'];
  readonly latency: () => PromotionLatency;
}

/** What both would have done at each decision, by what they knew then. */
const replayOf = ({ catalog, challenger, champion, championVersion }: ReplayOf): Replay => {
  const said = new WeakMap<LoggedDecision, { readonly own: Scores; readonly rival: Scores | null }>();
  const [own, other, targets] = [[], [], []] as [number[], number[], number[]];
  const [ownUs, otherUs] = [[], []] as [number[], number[]];
  let isRate = true;
  let turn = 0;

  const ask = async (decision: LoggedDecision): Promise<boolean> => {
    if (!isDrawn(decision)) return false;
    const scorer = await challenger.at(decision.decidedAtMs);
    // What the champion itself decided is as it was; the rest it would have decided by its own scores.
    const served = decision.modelVersion === championVersion && decision.group === 'model';
    const rival = await champion.at(decision.decidedAtMs);
    if (scorer === null || (rival === null && !served)) return false;
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
    said.set(decision, { own: scores, rival: served ? null : rivalScores });
    const chosen = decision.chosen[0];
    const target = decision.rewards[0]?.target ?? null;
    if (chosen === undefined || target === null) return true;
    if (target < 0 || target > 1) isRate = false;
    own.push(scores.propensities[chosen.index]!);
    other.push(decision.propensities[chosen.index]!);
    targets.push(target);
    return true;
  };

  const under = (decision: LoggedDecision, scores: Scores, out: Float64Array): boolean => {
    out.set(slotUnder(catalog, { ...decision, allowsNone: decision.noneProbability !== null }, scores));
    return true;
  };
  return {
    champion(decision, out) {
      const { rival } = said.get(decision)!;
      return rival === null ? loggedPolicy(decision, out) : under(decision, rival, out);
    },
    challenger: (decision, out) => under(decision, said.get(decision)!.own, out),
    async *prepare(decisions) {
      for await (const batch of decisions) {
        const ready: LoggedDecision[] = [];
        for (const decision of batch) if (await ask(decision)) ready.push(decision);
        yield ready;
      }
    },
    calibration: () =>
      isRate && targets.length > 0 ? { challenger: calibrationErrorOf(own, targets), champion: calibrationErrorOf(other, targets) } : null,
    latency: () => ({ decisions: Math.min(ownUs.length, otherUs.length), challengerP99Us: p99(ownUs), championP99Us: p99(otherUs) }),
  };
};

/** By a lottery whose probabilities let other choices be weighed: not held out for `untouched`, and no notice in the first slot. */
const isDrawn = ({ group, chosen, request, candidates, probabilities, noneProbability }: LoggedDecision): boolean => {
  if (candidates.length === 0 || group === 'untouched' || (group === 'random' && request.direction === 'outbound')) return false;
  if (chosen[0] === undefined) return (noneProbability ?? 0) > 0;
  return chosen[0].index >= 0 && (probabilities[chosen[0].index] ?? 0) > 0;
};

const p99 = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(0.99 * (values.length - 1))] ?? 0;
