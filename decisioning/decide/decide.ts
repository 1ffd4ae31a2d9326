/** The decision itself: candidates through the funnel, scored, arbitrated, chosen. Pure: the same input, the same verdict. */
import { profileWithoutPersonal, requestWithoutPersonal } from '#contracts';
import type { ActionProfile, Chosen, ScoreBuffers, Scorer, ScoringRequest } from '#contracts';
import { createUniformState, errorFromCounts, errorSourceOf, gammaOf, resolvePolicy } from '#models/exploration';
import type { ExplorationSpec, ResolvedPolicy } from '#models/exploration';
import { STAGE } from '../stages.ts';
import { groupOf } from '../groups.ts';
import type { Group } from '../groups.ts';
import { DEGRADED, DRAWN_WITHOUT } from '../types.ts';
import type { DecideInput, Verdict } from '../types.ts';
import { arbitrate } from './arbitrate.ts';
import type { Lottery } from './arbitrate.ts';
import { isChannelPaused, openFunnel, stageOf } from './funnel.ts';
import type { Funnel } from './funnel.ts';
import { holds, openMoment } from './moment.ts';
import { createScoreBuffers, planOf } from './plan.ts';
import type { Plan } from './plan.ts';

/** Scores of a verdict to come: fresh from a model, or recorded in a receipt. */
export interface Scores {
  readonly propensities: readonly number[];
  /** As many as propensities, and one for `none` where it takes part. */
  readonly gammas: readonly number[];
  /** Of the propensities, as many as there are; empty where the policy needs none. */
  readonly standardErrors: readonly number[];
  /** What draws for the group `model`; null: a receipt of before policies were recorded, which inverse-gap weighting drew. */
  readonly policy: ResolvedPolicy | null;
  readonly modelVersion: string;
  readonly modelSnapshot: number;
}

export const decide = (input: DecideInput): Verdict => decideWith(input, null);

/** @param recorded scores that stand in for the scorer, when a receipt is decided again */
export const decideWith = (input: DecideInput, recorded: Scores | null): Verdict => {
  const group = input.group ?? groupOf(input.view.customerKey, input.nowMs, input.catalog.shares);
  const candidates = input.ownCandidates ?? null;
  return candidates === null ? decideCatalog(input, group, recorded) : decideOwn(input, candidates, group, recorded);
};

const decideCatalog = (input: DecideInput, group: Group, recorded: Scores | null): Verdict => {
  const plan = planOf(input.catalog);
  const moment = openMoment(plan, input);
  const funnel = openFunnel(moment, group);
  const { actions } = input.catalog;
  const stages = Buffer.allocUnsafe(actions.length);
  const allowNone = input.allowNone ?? true;
  const slots = slotsOf(input);
  const mandatory: number[] = [];
  let n = 0;
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i]!;
    const stage = stageOf(funnel, action);
    stages[i] = stage;
    if (stage !== STAGE.scored) continue;
    if (action.mandatory) {
      stages[i] = mandatory.length < slots ? STAGE.chosen : STAGE.noSlot;
      if (mandatory.length < slots) mandatory.push(i);
    } else {
      plan.scored[n] = i;
      plan.profiles[n] = action.profile;
      plan.explorable[n] = action.explore ? 1 : 0;
      plan.kinds[n] = plan.topicOf[i]!;
      n++;
    }
  }
  plan.profiles.length = n;
  const scores =
    recorded ?? score({ input, profiles: plan.profiles, allowNone, own: false }, plan.scores, (i) => actions[plan.scored[i]!]!.prior);
  const contactCosts = contactCostsOf(input, plan, n, allowNone);
  const priorities = prioritise(plan, funnel, n, scores.propensities, allowNone, contactCosts);
  const scored = listScored(plan.scored, n, allowNone);
  const lottery: Lottery = {
    count: n,
    allowNone,
    priorities,
    gammas: scores.gammas,
    standardErrors: scores.standardErrors.map(
      (error, i) => error * Math.abs(plan.values[plan.scored[i]!]! * plan.weightOf[plan.scored[i]!]!),
    ),
    explorable: plan.explorable,
    kinds: input.catalog.perTopic === Infinity ? null : plan.kinds,
    perKind: input.catalog.perTopic,
    method: methodOf(input, group),
    policy: scores.policy ?? BEFORE_POLICIES,
    slots: slots - mandatory.length,
    seed: input.seed,
    holdouts: holdoutsOf(input, plan, n, allowNone),
  };
  const drawn = arbitrate(lottery, plan.uniform);
  // Slot 1 is the notice's: none of the scored could stand there.
  if (mandatory.length > 0) drawn.probabilities.fill(0);
  const chosen: Chosen[] = mandatory.map((index, k) => choose(funnel, k + 1, index, actions[index]!.prior, 1, 0));
  for (const draw of drawn.draws) {
    const index = plan.scored[draw.index]!;
    stages[index] = STAGE.chosen;
    chosen.push(choose(funnel, chosen.length + 1, index, scores.propensities[draw.index]!, draw.probability, priorities[draw.index]!));
  }
  return {
    group,
    allowNone,
    modelVersion: scores.modelVersion,
    modelSnapshot: scores.modelSnapshot,
    stages,
    scored,
    propensities: scores.propensities,
    priorities,
    gammas: scores.gammas,
    standardErrors: scores.standardErrors,
    ...recordOf(input, group, scores.policy),
    probabilities: drawn.probabilities,
    noneProbability: allowNone ? drawn.probabilities[n]! : null,
    chosen,
    holdouts: lottery.holdouts ?? NOTHING,
    contactCosts: contactCosts ?? NOTHING,
    heldOut: drawn.heldOut,
    degraded: degradedOf(moment.readFailed, scores.modelVersion),
  };
};

const NOTHING: readonly number[] = Object.freeze([]);

/** One for each of the scored, `none` too; null where nothing is withheld. What must be said, or is never explored, is never withheld. */
const holdoutsOf = ({ holdouts, direction, catalog }: DecideInput, plan: Plan, n: number, allowNone: boolean): readonly number[] | null => {
  if (direction === 'inbound' || !allowNone || holdouts === undefined || holdouts === null || holdouts.size === 0) return null;
  const shares = new Array<number>(n + 1).fill(0);
  let some = false;
  for (let i = 0; i < n; i++) {
    const action = catalog.actions[plan.scored[i]!]!;
    const share = action.explore && !action.critical ? (holdouts.get(action.id) ?? 0) : 0;
    if (share <= 0) continue;
    shares[i] = Math.fround(Math.min(share, LARGEST_HOLDOUT));
    some = true;
  }
  return some ? shares : null;
};

/** One for each of the scored, `none` too; null where nothing is known. What the customer must know is told whatever it costs. */
const contactCostsOf = (
  { contactCosts, direction, catalog }: DecideInput,
  plan: Plan,
  n: number,
  allowNone: boolean,
): readonly number[] | null => {
  if (direction === 'inbound' || contactCosts === undefined || contactCosts === null || contactCosts.size === 0) return null;
  const costs = new Array<number>(allowNone ? n + 1 : n).fill(0);
  let some = false;
  for (let i = 0; i < n; i++) {
    const action = catalog.actions[plan.scored[i]!]!;
    const cost = action.critical ? 0 : (contactCosts.get(action.id) ?? 0);
    if (cost === 0) continue;
    costs[i] = Math.fround(cost);
    some = true;
  }
  return some ? costs : null;
};

/** Something is always left to the arm that is contacted: a share of 1 is a pause, and is set as one. */
const LARGEST_HOLDOUT = 0.9;

const NO_MODEL = 'priors';

const degradedOf = (readFailed: boolean, modelVersion: string): readonly string[] => [
  ...(readFailed ? [DEGRADED.stateUnread] : []),
  ...(modelVersion === NO_MODEL ? [DEGRADED.noModel] : []),
];

const slotsOf = (input: DecideInput): number => {
  const bound = input.placement === null ? null : (input.catalog.placements.get(input.placement)?.limit ?? null);
  return Math.max(1, Math.min(input.limit, bound ?? input.limit));
};

const methodOf = (input: DecideInput, group: Group): Lottery['method'] => {
  if (group === 'random' && input.direction === 'outbound') return 'none';
  if (input.controls?.explorationOff === true) return 'off';
  return group === 'random' ? 'uniform' : 'policy';
};

const BEFORE_POLICIES: ResolvedPolicy = Object.freeze({ name: 'inverseGap', parameters: [] });

/** What drew: the policy, or `off` and `random` instead of it. */
const recordOf = (input: DecideInput, group: Group, policy: ResolvedPolicy | null): Pick<Verdict, 'policy' | 'policyParameters'> => {
  if (policy === null) return { policy: '', policyParameters: [] };
  const method = methodOf(input, group);
  if (method === 'policy') return { policy: policy.name, policyParameters: policy.parameters };
  return { policy: method === 'off' ? DRAWN_WITHOUT.off : DRAWN_WITHOUT.random, policyParameters: [] };
};

const listScored = (scored: Int32Array | null, n: number, allowNone: boolean): number[] => {
  const list = new Array<number>(n + (allowNone ? 1 : 0));
  for (let i = 0; i < n; i++) list[i] = scored === null ? i : scored[i]!;
  if (allowNone) list[n] = -1;
  return list;
};

/** `none` is known exactly, so nothing is learned from choosing it: its γ is the largest among the others. */
const score = (
  { input, profiles, allowNone, own }: { input: DecideInput; profiles: readonly ActionProfile[]; allowNone: boolean; own: boolean },
  out: ScoreBuffers,
  priorOf: (i: number) => number,
): Scores => {
  const { scorer } = input;
  const exploration = own ? input.catalog.ownExploration : input.catalog.exploration;
  const n = profiles.length;
  out.hasStandardErrors = false;
  if (n > 0) scorer?.score(requestOf(input), own ? profilesOf(profiles, input.catalog) : profiles, out);
  const propensities = new Array<number>(n);
  const gammas = new Array<number>(n + (allowNone ? 1 : 0));
  let largest = exploration.gammas.base;
  for (let i = 0; i < n; i++) {
    const propensity = scorer === null ? NaN : out.propensities[i]!;
    propensities[i] = Math.fround(Number.isFinite(propensity) ? propensity : priorOf(i));
    const gamma = Math.fround(gammaOf(scorer === null ? 0 : out.effectiveN[i]!, exploration.gammas));
    gammas[i] = gamma;
    if (gamma > largest) largest = gamma;
  }
  if (allowNone) gammas[n] = Math.fround(largest);
  return {
    propensities,
    gammas,
    standardErrors: errorSourceOf(exploration) === null ? NO_ERRORS : errorsOf(input.scorer, exploration, propensities, out, own),
    policy: resolvePolicy(exploration, scorer?.effectiveN ?? 0),
    modelVersion: scorer?.version ?? NO_MODEL,
    modelSnapshot: scorer?.snapshot ?? 0,
  };
};

const NO_ERRORS: readonly number[] = Object.freeze([]);

/** Of the propensities: the posterior's where the policy asks for it and the snapshot has it, else from counts. */
const errorsOf = (
  scorer: Scorer | null,
  exploration: ExplorationSpec,
  means: readonly number[],
  out: ScoreBuffers,
  own: boolean,
): number[] => {
  const posterior = errorSourceOf(exploration) === 'posterior' && out.hasStandardErrors === true;
  const spread = own ? spreadOf(means) : null;
  return means.map((mean, i) => {
    const error = posterior ? out.standardErrors![i]! : NaN;
    return Math.fround(
      Number.isFinite(error) && error >= 0 ? error : errorFromCounts(mean, scorer === null ? 0 : out.effectiveN[i]!, spread),
    );
  });
};

/** Null where the means of a caller's own candidates are rates. */
const spreadOf = (means: readonly number[]): number | null => {
  let largest = 0;
  let rates = true;
  for (const mean of means) {
    if (mean < 0 || mean > 1) rates = false;
    largest = Math.max(largest, Math.abs(mean));
  }
  return rates ? null : largest;
};

const requestOf = ({ view, context, channel, direction, placement, nowMs, catalog }: DecideInput): ScoringRequest =>
  requestWithoutPersonal({ view, context, channel, direction, placement, nowMs }, catalog.personal);

const profilesOf = (own: readonly ActionProfile[], { personal }: DecideInput['catalog']): readonly ActionProfile[] =>
  personal.size === 0 ? own : own.map((profile) => profileWithoutPersonal(profile, personal));

/** priority = propensity × context weight × value × levers − what contacting costs beyond silence; `none` last. */
const prioritise = (
  plan: Plan,
  funnel: Funnel,
  n: number,
  propensities: readonly number[],
  allowNone: boolean,
  contactCosts: readonly number[] | null,
): number[] => {
  const { actions, conditions } = plan.catalog;
  const { weightOf, scored } = plan;
  for (let i = 0; i < n; i++) weightOf[scored[i]!] = 1;
  for (const weight of funnel.face.weights) {
    const { condition } = weight;
    const perAction = condition >= 0 && conditions[condition]!.readsAction;
    if (n === 0 || (condition >= 0 && !perAction && !holds(funnel.moment, condition, actions[scored[0]!]!))) continue;
    for (let i = 0; i < n; i++) {
      const index = scored[i]!;
      if (weight.mask[index] === 1 && (!perAction || holds(funnel.moment, condition, actions[index]!))) weightOf[index]! *= weight.weight;
    }
  }
  const priorities = new Array<number>(n + (allowNone ? 1 : 0));
  for (let i = 0; i < n; i++) priorities[i] = propensities[i]! * plan.values[scored[i]!]! * weightOf[scored[i]!]!;
  if (contactCosts !== null) for (let i = 0; i < n; i++) priorities[i]! -= contactCosts[i]!;
  if (allowNone) priorities[n] = plan.catalog.nonePriority;
  return priorities;
};

const choose = (funnel: Funnel, rank: number, index: number, propensity: number, probability: number, priority: number): Chosen => {
  const { plan } = funnel.moment;
  const action = plan.catalog.actions[index]!;
  return {
    rank,
    index,
    actionId: action.id,
    treatmentId: action.treatments[funnel.treatments[index]!]!.id,
    propensity: Math.fround(propensity),
    probability,
    value: plan.values[index]!,
    priority,
  };
};

let ownScores = createScoreBuffers(64);
let ownExplorable = new Uint8Array(64).fill(1);
const ownUniform = createUniformState();

/** The caller's own candidates: eligibility is the caller's, priority is the predicted reward. */
const decideOwn = (input: DecideInput, candidates: readonly ActionProfile[], group: Group, recorded: Scores | null): Verdict => {
  const allowNone = input.allowNone ?? false;
  const channelPaused = isChannelPaused(input);
  const stopped = channelPaused || (input.controls !== null && input.controls.stopOutbound && input.direction === 'outbound');
  const n = stopped ? 0 : candidates.length;
  if (n > ownExplorable.length) {
    ownScores = createScoreBuffers(n * 2);
    ownExplorable = new Uint8Array(n * 2).fill(1);
  }
  const stages = Buffer.alloc(candidates.length, stopped ? (channelPaused ? STAGE.paused : STAGE.outboundStopped) : STAGE.scored);
  const scores = recorded ?? score({ input, profiles: stopped ? [] : candidates, allowNone, own: true }, ownScores, () => 0);
  const priorities = allowNone ? [...scores.propensities, 0] : [...scores.propensities];
  const drawn = arbitrate(
    {
      count: n,
      allowNone,
      priorities,
      gammas: scores.gammas,
      standardErrors: scores.standardErrors,
      explorable: ownExplorable,
      kinds: null,
      perKind: Infinity,
      method: methodOf(input, group),
      policy: scores.policy ?? BEFORE_POLICIES,
      slots: Math.max(1, input.limit),
      seed: input.seed,
      holdouts: null,
    },
    ownUniform,
  );
  for (const draw of drawn.draws) stages[draw.index] = STAGE.chosen;
  return {
    group,
    allowNone,
    modelVersion: scores.modelVersion,
    modelSnapshot: scores.modelSnapshot,
    stages,
    scored: listScored(null, n, allowNone),
    propensities: scores.propensities,
    priorities,
    gammas: scores.gammas,
    standardErrors: scores.standardErrors,
    ...recordOf(input, group, scores.policy),
    probabilities: drawn.probabilities,
    noneProbability: allowNone ? drawn.probabilities[n]! : null,
    chosen: drawn.draws.map((draw, k) => ({
      rank: k + 1,
      index: draw.index,
      actionId: candidates[draw.index]!.id,
      treatmentId: '',
      propensity: scores.propensities[draw.index]!,
      probability: draw.probability,
      value: 1,
      priority: priorities[draw.index]!,
    })),
    holdouts: NOTHING,
    contactCosts: NOTHING,
    heldOut: -1,
    degraded: degradedOf(input.readFailed === true, scores.modelVersion),
  };
};
