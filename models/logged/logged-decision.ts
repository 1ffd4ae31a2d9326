/** A decision as the warehouse keeps it, with what came of it: what training and off-policy evaluation read. */
import type { ActionProfile, CustomerKey, ScoringRequest } from '#contracts';

/** One slot of a logged answer. */
export interface LoggedChoice {
  /** Slot, from 1. */
  readonly rank: number;
  /** Place in `candidates`; -1 is a mandatory notice, which no model scored. */
  readonly index: number;
  /** P(chosen in this slot | the slots above), the logging probability; float32. */
  readonly probability: number;
  /** The action's worth if accepted; 1 for the caller's own candidates. */
  readonly value: number;
}

/** The latest reward of one slot. */
export interface LoggedReward {
  /** What the head learns from: 0 or 1 accepted, or the reward itself in a caller's loop; null teaches nothing (it was never shown). */
  readonly target: number | null;
  /** Graded worth in money less cost, without levers. */
  readonly reward: number;
  /** The latest outcome, or `none`. */
  readonly outcome: string;
  /** The attribution window has closed: the reward is final. */
  readonly matured: boolean;
}

export interface LoggedDecision {
  readonly decisionId: string;
  /** Empty for the catalog's own loop, else the caller's. */
  readonly loop: string;
  /** What the encoder read, as it was served (law 7): encoding it again gives the same x and ψ, bit for bit, where `asServed` holds. */
  readonly request: ScoringRequest;
  /** The candidates that were scored, in logged order; `none` is not among them. */
  readonly candidates: readonly ActionProfile[];
  /** Of `candidates`: P(accepted | shown) as the arbiter saw it, or the predicted reward; float32. */
  readonly propensities: readonly number[];
  /** Of `candidates`: propensity × context weight × value × levers; float32. */
  readonly priorities: readonly number[];
  /** Of `candidates`: how sharply each was judged, γ of the catalog's schedule at its effective sample size then; float32. */
  readonly gammas: readonly number[];
  /** Of `candidates`: P(chosen in slot 1); with `noneProbability` they sum to 1, or to 0 where a mandatory notice took slot 1. */
  readonly probabilities: readonly number[];
  /** P(`none` in slot 1); null where it took no part. */
  readonly noneProbability: number | null;
  /** Of `candidates`: share in which it is withheld once chosen, so that contacting is measured; probabilities are after it; empty where none is. */
  readonly holdouts?: readonly number[];
  /** Of `candidates`: money taken off the priority for the inbound contacts that contacting causes; empty where none is. */
  readonly contactCosts?: readonly number[];
  readonly group: 'model' | 'random' | 'untouched';
  /** `priors` when no model scored. */
  readonly modelVersion: string;
  readonly decidedAtMs: number;
  readonly customerKey: CustomerKey;
  /** By slot; empty: `none` was chosen. */
  readonly chosen: readonly LoggedChoice[];
  /** One an entry of `chosen`; null: no reward has come. */
  readonly rewards: readonly (LoggedReward | null)[];
  /** False: recorded before the warehouse kept all that the encoder reads; then types of values are guessed and pair counters are empty. */
  readonly asServed: boolean;
}

export interface LoggedQuery {
  /** Empty for the catalog's own loop. */
  readonly loop: string;
  /** Of decidedAt, inclusive. */
  readonly fromMs?: number;
  /** Of decidedAt, exclusive. */
  readonly toMs?: number;
  /** Only decisions whose every reward is final; a decision that chose nothing, or was never shown, has none to wait for. Default false. */
  readonly maturedOnly?: boolean;
}

export interface LoggedDecisions {
  /** In the order of decidedAt, in batches. */
  read(query: LoggedQuery): AsyncIterable<readonly LoggedDecision[]>;
}
