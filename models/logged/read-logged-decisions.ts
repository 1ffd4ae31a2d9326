/** Makes logged decisions of the warehouse's rows: profiles come from the catalog that decided, the rest from the row. */
import { NO_PAIR, type ActionProfile, type CustomerView, type LoggedRow, type PairCounters, type ReadLoggedRows } from '#contracts';
import type { LoggedDecision, LoggedDecisions } from './logged-decision.ts';

export interface LoggedDecisionsDeps {
  readonly rows: ReadLoggedRows;
  /** By catalog version; null when that catalog is gone: its decisions are left out, since nobody can say what their actions were. */
  readonly profiles: (catalogVersion: string) => Promise<((actionId: string) => ActionProfile | null) | null>;
  /** Of each batch, how many were left out because a profile is not to be had. */
  readonly onLeftOut?: (decisions: number) => void;
}

type ProfileOf = (actionId: string) => ActionProfile | null;

export const createLoggedDecisions = ({ rows, profiles, onLeftOut }: LoggedDecisionsDeps): LoggedDecisions => {
  const known = new Map<string, ProfileOf | null>();
  const profileOf = async (row: LoggedRow): Promise<ProfileOf | null> => {
    if (row.ownCandidates !== null) return ownProfileOf(row.ownCandidates);
    let found = known.get(row.catalogVersion);
    if (found === undefined) known.set(row.catalogVersion, (found = await profiles(row.catalogVersion)));
    return found;
  };
  return {
    async *read({ loop, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER, maturedOnly = false }) {
      for await (const batch of rows({ loop, fromMs, toMs })) {
        const decisions: LoggedDecision[] = [];
        let wanted = 0;
        for (const row of batch) {
          if (maturedOnly && !row.chosen.every(({ reward }) => reward?.matured === true)) continue;
          wanted++;
          const profile = await profileOf(row);
          const decision = profile === null ? null : decisionOf(row, profile);
          if (decision !== null) decisions.push(decision);
        }
        if (wanted > decisions.length) onLeftOut?.(wanted - decisions.length);
        if (decisions.length > 0) yield decisions;
      }
    },
  };
};

/** Profiles as objects of their own decision: the same id may carry other features in the next. */
const ownProfileOf = (candidates: readonly ActionProfile[]): ProfileOf => {
  const byId = new Map(candidates.map((candidate) => [candidate.id, candidate]));
  return (id) => byId.get(id) ?? null;
};

const decisionOf = (row: LoggedRow, profileOf: ProfileOf): LoggedDecision | null => {
  const candidates: ActionProfile[] = [];
  for (const id of row.actionIds) {
    const profile = profileOf(id);
    if (profile === null) return null;
    candidates.push(profile);
  }
  return {
    decisionId: row.decisionId,
    loop: row.loop,
    request: {
      view: new LoggedView(row),
      context: row.context,
      channel: row.channel,
      direction: row.direction,
      placement: row.placement,
      nowMs: row.decidedAtMs,
    },
    candidates,
    propensities: row.propensities,
    priorities: row.priorities,
    gammas: row.gammas,
    probabilities: row.probabilities,
    noneProbability: row.noneProbability,
    holdouts: row.holdouts,
    contactCosts: row.contactCosts,
    group: row.group,
    modelVersion: row.modelVersion,
    decidedAtMs: row.decidedAtMs,
    customerKey: row.customerKey,
    chosen: row.chosen.map(({ rank, actionId, probability, value }) => ({
      rank,
      index: row.actionIds.indexOf(actionId),
      probability,
      value,
    })),
    rewards: row.chosen.map(({ reward }) => reward),
    asServed: row.asServed,
  };
};

/** Contacts and pending actions concern policies, not models: they are not in the warehouse. */
class LoggedView implements CustomerView {
  readonly contacts = [];
  readonly pendingActionIds = [];
  readonly #row: LoggedRow;

  constructor(row: LoggedRow) {
    this.#row = row;
  }

  get customerKey() {
    return this.#row.customerKey;
  }

  get known() {
    return this.#row.customerKnown;
  }

  get attributes() {
    return this.#row.attributes;
  }

  get features() {
    return this.#row.features;
  }

  get featureNames() {
    return this.#row.featureNames;
  }

  get featureSet() {
    return this.#row.featureSet;
  }

  pair(actionId: string): PairCounters {
    return this.#row.pairs.get(actionId) ?? NO_PAIR;
  }
}
