/** Judges a challenger by the warehouse's matured decisions, those that it had not learned from: value, support, calibration, latency. */
import { AttuneError } from '#contracts';
import type { Scorer } from '#contracts';
import { compileCatalog, firstSlotUnder } from '#decisioning';
import type { Catalog } from '#decisioning';
import { DEFAULT_LIMITS, createCalibrationError, createLoggedDecisions, createPairedDifference, promotionGate } from '#models';
import type { GateLimits, LoggedDecision, LoggedDecisions } from '#models';
import { loadProject, unpackProject } from '#project';
import type { PromotionLatency, PromotionReport } from '#serving';
import { readLoggedRows } from '#warehouse';
import type { Warehouse } from '#warehouse';
import type { Stores } from '../open-stores.ts';
import { readModels } from './read-models.ts';
import { openScorerAt, type ScorerAt } from './scorer-at.ts';

export interface JudgeDeps extends Pick<Stores, 'log' | 'store'> {
  readonly warehouse: Pick<Warehouse, 'query' | 'readRows'>;
  readonly catalogDir: string;
}

export interface JudgeQuestion {
  readonly loop: string;
  readonly version: string;
  /** As measured in serving; null: measured here, on the logged requests. */
  readonly latency: PromotionLatency | null;
  readonly limits?: Partial<GateLimits>;
  /** Only decisions from here on, ms since 1970 UTC. */
  readonly fromMs?: number;
}

/** Throws `promotion.unknown`, `promotion.no-champion`, `promotion.no-artifact`. */
export const judgeVersion = async (deps: JudgeDeps, question: JudgeQuestion): Promise<PromotionReport> => {
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
  const catalog = compileCatalog(loadProject(deps.catalogDir));
  const fromMs = Math.max(challenger.fromMs, question.fromMs ?? 0);
  const decisions = Number.isFinite(fromMs) ? loggedDecisions(deps, catalog).read({ loop, fromMs, maturedOnly: true }) : [];
  const evidence = await weigh({ decisions, catalog, challenger, champion, championVersion: reigning.version });
  const latency = question.latency ?? evidence.latency;
  const conditions = promotionGate(
    {
      value: evidence.value,
      calibration: evidence.calibration,
      latency: { ...latency, where: question.latency === null ? 'measured here, scoring alone' : 'measured in serving' },
    },
    { ...DEFAULT_LIMITS, ...question.limits },
  );
  return {
    promotes: conditions.every(({ holds }) => holds),
    conditions,
    figures: {
      ...evidence.value,
      ...(evidence.calibration !== null && { calibrationError: evidence.calibration.challenger }),
      heldOutFromMs: Number.isFinite(fromMs) ? fromMs : 0,
    },
  };
};

const loggedDecisions = ({ warehouse, store }: JudgeDeps, current: Catalog): LoggedDecisions =>
  createLoggedDecisions({
    rows: readLoggedRows(warehouse),
    async profiles(version) {
      let catalog: Catalog | null = current;
      if (version !== current.version) {
        const bytes = await store.blobs.find(`catalog/${version}`);
        catalog = bytes === null ? null : compileCatalog(unpackProject(bytes));
      }
      const profiles = new Map(catalog?.actions.map((action) => [action.id, action.profile]));
      return catalog === null ? null : (id) => profiles.get(id) ?? null;
    },
  });

interface Weighing {
  readonly decisions: AsyncIterable<readonly LoggedDecision[]> | Iterable<readonly LoggedDecision[]>;
  readonly catalog: Catalog;
  readonly challenger: ScorerAt;
  readonly champion: ScorerAt;
  readonly championVersion: string;
}

const weigh = async ({ decisions, catalog, challenger, champion, championVersion }: Weighing) => {
  const value = createPairedDifference();
  const [own, other] = [createCalibrationError(), createCalibrationError()];
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
      value.add({
        customerKey: decision.customerKey,
        reward: chosen === undefined ? 0 : (reward?.reward ?? 0),
        chosen: chosen === undefined ? decision.candidates.length : chosen.index,
        logged,
        champion: served || rivalScores === null ? logged : firstSlotUnder(catalog, moment, rivalScores),
        challenger: firstSlotUnder(catalog, moment, scores),
        worth:
          decision.noneProbability === null
            ? decision.priorities.slice(0, decision.candidates.length)
            : [...decision.priorities.slice(0, decision.candidates.length), 0],
      });
      if (chosen === undefined || reward === null || reward.target === null || chosen.index < 0) continue;
      if (reward.target < 0 || reward.target > 1) isRate = false;
      own.add(scores.propensities[chosen.index]!, reward.target);
      other.add(decision.propensities[chosen.index]!, reward.target);
    }
  }
  return {
    value: value.estimate(),
    calibration: isRate && own.count > 0 ? { decisions: own.count, challenger: own.error(), champion: other.error() } : null,
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
