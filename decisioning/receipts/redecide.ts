/** Decides a receipt again from its recorded scores: the same choice bit for bit, or a list of what differs. */
import { isSealed } from '#contracts';
import type { ActionProfile, Context, Control, CustomerView, Decision } from '#contracts';
import type { Catalog } from '../catalog/types.ts';
import { decideWith } from '../decide/decide.ts';
import type { Scores } from '../decide/decide.ts';
import { STAGE } from '../stages.ts';
import { DEGRADED, DRAWN_WITHOUT } from '../types.ts';
import type { DecideInput, Scope, Verdict } from '../types.ts';

export interface RedecideInput {
  readonly receipt: Decision;
  /** The catalog whose version the receipt names. */
  readonly catalog: Catalog;
  /** The customer as the receipt's state says (feature-store's viewOfReceipt). */
  readonly view: CustomerView;
  /** Undefined: read from the receipt (what its stages call paused, γ notwithstanding). */
  readonly controls?: DecideInput['controls'];
}

export const redecide = (input: RedecideInput): Verdict => {
  const { receipt } = input;
  return decideWith(inputOf(input), scoresOf(receipt));
};

/** What differs between the receipt and its re-decision, a sentence each; empty: the receipt is true. */
export const verifyReceipt = (input: RedecideInput): readonly string[] => {
  const { receipt, catalog } = input;
  const faults = isSealed(receipt) ? [] : ['digest: the receipt is not what was written'];
  if (receipt.catalogVersion !== catalog.version)
    return [...faults, `the receipt was decided by catalog ${receipt.catalogVersion}, not ${catalog.version}`];
  const compare = (name: string, recorded: unknown, again: unknown): void => {
    const [a, b] = [JSON.stringify(recorded), JSON.stringify(again)];
    if (a !== b) faults.push(`${name}: recorded ${cut(a)}, decided again ${cut(b)}`);
  };
  const inputs = inputOf(input);
  const { group: _, ...withoutGroup } = inputs;
  let verdict: Verdict;
  try {
    verdict = decideWith(withoutGroup, scoresOf(receipt));
  } catch (error) {
    return [...faults, `it cannot be decided again: ${error instanceof Error ? error.message : String(error)}`];
  }
  compare('group', receipt.group, verdict.group);
  compare('stages', [...receipt.stages], [...verdict.stages]);
  compare('scored', receipt.scored, verdict.scored);
  compare('policy', receipt.policy ?? '', verdict.policy ?? '');
  compare('priorities', receipt.priorities, verdict.priorities);
  compare('probabilities', receipt.probabilities, verdict.probabilities);
  compare('noneProbability', receipt.noneProbability, verdict.noneProbability);
  compare('holdouts', receipt.holdouts ?? [], verdict.holdouts);
  compare('contactCosts', receipt.contactCosts ?? [], verdict.contactCosts);
  compare('heldOut', receipt.heldOut ?? -1, verdict.heldOut);
  compare('chosen', receipt.chosen.map(comparable), verdict.chosen.map(comparable));
  return faults;
};

const cut = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const comparable = (chosen: Decision['chosen'][number]) => [
  chosen.rank,
  chosen.index,
  chosen.actionId,
  chosen.treatmentId,
  chosen.propensity,
  chosen.probability,
  chosen.value,
  chosen.priority,
];

const scoresOf = (receipt: Decision): Scores => ({
  propensities: receipt.propensities.slice(0, scoredCount(receipt)),
  gammas: receipt.gammas,
  standardErrors: receipt.standardErrors ?? [],
  policy: isUnrecorded(receipt) ? null : { name: receipt.policy!, parameters: receipt.policyParameters ?? [] },
  modelVersion: receipt.modelVersion,
  modelSnapshot: receipt.modelSnapshot,
});

const isUnrecorded = ({ policy }: Decision): boolean => policy === undefined || policy === '';

const scoredCount = (receipt: Decision): number => receipt.scored.length - (receipt.scored.at(-1) === -1 ? 1 : 0);

export const inputOf = ({ receipt, catalog, view, controls }: RedecideInput): DecideInput => ({
  catalog,
  view,
  readFailed: receipt.degraded.includes(DEGRADED.stateUnread),
  scorer: null,
  controls: controls === undefined ? controlsOf(receipt, catalog) : controls,
  channel: receipt.channel,
  direction: receipt.direction,
  placement: receipt.placement,
  scope: (receipt.scope ?? '') === '' ? null : (JSON.parse(receipt.scope!) as Scope),
  holdouts: byAction(receipt.holdouts, receipt, catalog),
  contactCosts: byAction(receipt.contactCosts, receipt, catalog),
  limit: receipt.limit,
  context: JSON.parse(receipt.context) as Context,
  ownCandidates: receipt.ownCandidates === null ? null : (JSON.parse(receipt.ownCandidates) as ActionProfile[]),
  allowNone: receipt.allowNone,
  nowMs: receipt.decidedAt,
  seed: receipt.seed,
  group: receipt.group,
});

/** By action, as recorded; null: nothing was. */
const byAction = (recorded: readonly number[] = [], { scored }: Decision, catalog: Catalog): ReadonlyMap<string, number> | null =>
  recorded.length === 0
    ? null
    : new Map(scored.flatMap((index, place) => (index < 0 ? [] : [[catalog.actions[index]?.id ?? '', recorded[place]!] as const])));

/** Controls as far as the receipt shows them: what was paused or stopped, and whether a draw took place. */
const controlsOf = (
  receipt: Decision,
  catalog: Catalog,
): Pick<Control, 'stopOutbound' | 'pausedActions' | 'pausedChannels' | 'explorationOff'> => {
  const own = receipt.ownCandidates !== null;
  const stages = new Set(receipt.stages);
  return {
    stopOutbound: stages.has(STAGE.outboundStopped),
    pausedActions: own ? [] : catalog.actions.filter((action) => receipt.stages[action.index] === STAGE.paused).map((action) => action.id),
    pausedChannels: own && stages.has(STAGE.paused) ? [receipt.channel] : [],
    explorationOff: isUnrecorded(receipt) ? isUndrawn(receipt, catalog) : receipt.policy === DRAWN_WITHOUT.off,
  };
};

/** Of a receipt that does not say what drew: inverse-gap weighting leaves something to each of several: a certainty among them means that nothing was drawn. */
const isUndrawn = (receipt: Decision, catalog: Catalog): boolean => {
  const explorable = (index: number): boolean => receipt.ownCandidates !== null || catalog.actions[index]?.explore === true;
  const support = receipt.scored.filter((index) => (index === -1 ? receipt.group !== 'random' : explorable(index)));
  if (support.length < 2 || (receipt.group === 'random' && receipt.direction === 'outbound')) return false;
  const first = receipt.chosen.find((chosen) => catalog.actions[chosen.index]?.mandatory !== true || receipt.ownCandidates !== null);
  if (first === undefined) return receipt.noneProbability === 1;
  return first.probability === 1 && explorable(first.index);
};
