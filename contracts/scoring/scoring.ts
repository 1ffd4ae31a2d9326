/** The words between deciding and learning: what a model is asked and what it answers. */
import type { AttributeValue, CustomerView } from '../customer-view/customer-view.ts';

/** A request's context, flat: what the touchpoint says of the moment. */
export type Context = Readonly<Record<string, AttributeValue>>;

/** What a model may know of an action, whoever names it (the catalog or the caller). */
export interface ActionProfile {
  readonly id: string;
  /** Declared by the catalog (topic, group, ...) or by the caller (`candidates[].features`). */
  readonly features: Readonly<Record<string, AttributeValue>>;
}

/** One decision's question to a model. */
export interface ScoringRequest {
  readonly view: CustomerView;
  readonly context: Context;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly placement: string | null;
  readonly nowMs: number;
}

/** Reused buffers, one entry a scored action; the caller makes them as long as the longest list. */
export interface ScoreBuffers {
  /** Calibrated P(accepted | shown) for the catalog's loop; the predicted reward for the caller's own candidates. float32: the arbiter sees just these. */
  readonly propensities: Float32Array;
  /** Effective sample size behind each action, after forgetting; exploration narrows with it. */
  readonly effectiveN: Float32Array;
  /** Of the propensities, as the head's posterior on the trunk's features has them; only where the caller brings the array. */
  readonly standardErrors?: Float32Array;
  /** Set by a scorer whose snapshot carries variances, when it has written standardErrors. */
  hasStandardErrors?: boolean;
}

/** A model at one snapshot, ready to score; pure and synchronous. */
export interface Scorer {
  readonly loop: string;
  readonly version: string;
  readonly snapshot: number;
  /** Effective sample size of the whole model. */
  readonly effectiveN: number;
  /** Writes out.…[i] for actions[i]. Never throws on odd values: what it does not know it treats as absent. */
  score(request: ScoringRequest, actions: readonly ActionProfile[], out: ScoreBuffers): void;
}

/** One shown action with what came of it: a row of learning, joined from a decision and its rewards. */
export interface Experience {
  /** decisionId and rank: the identity of the row. */
  readonly decisionId: string;
  readonly rank: number;
  readonly request: ScoringRequest;
  readonly action: ActionProfile;
  /** P(this action in this slot), as logged. */
  readonly probability: number;
  /** Propensity as served, for calibration. */
  readonly propensity: number;
  readonly decidedAtMs: number;
}
