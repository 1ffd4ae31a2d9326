/** A decision and its rewards as the warehouse hands them out: what the encoder read, what was scored, and what came of it. */
import type { AttributeValue, PairCounters } from '../customer-view/customer-view.ts';
import type { CustomerKey } from '../ids.ts';
import type { ActionProfile } from '../scoring/scoring.ts';

export interface LoggedRow {
  readonly decisionId: string;
  readonly customerKey: CustomerKey;
  readonly customerKnown: boolean;
  readonly decidedAtMs: number;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly placement: string | null;
  readonly loop: string;
  readonly group: 'model' | 'random' | 'untouched';
  readonly catalogVersion: string;
  readonly modelVersion: string;
  /** Without personal fields; with the types that were served, where `asServed` holds. */
  readonly context: Readonly<Record<string, AttributeValue>>;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly featureSet: string;
  readonly features: Float32Array;
  /** In the order of `features`; empty when the warehouse does not know them. */
  readonly featureNames: readonly string[];
  /** Null: the catalog's actions were the candidates. */
  readonly ownCandidates: readonly ActionProfile[] | null;
  /** Candidates that were scored, in order, without `none`; the arrays below go with it. */
  readonly actionIds: readonly string[];
  readonly propensities: readonly number[];
  readonly priorities: readonly number[];
  readonly gammas: readonly number[];
  readonly probabilities: readonly number[];
  readonly noneProbability: number | null;
  /** Of `actionIds`: share in which it is withheld once chosen; empty where none is. */
  readonly holdouts: readonly number[];
  /** Of `actionIds`: money taken off the priority for the inbound contacts that contacting causes; empty where none is. */
  readonly contactCosts: readonly number[];
  readonly pairs: ReadonlyMap<string, PairCounters>;
  readonly chosen: readonly {
    readonly rank: number;
    readonly actionId: string;
    readonly probability: number;
    readonly value: number;
    /** Null: none has come. */
    readonly reward: {
      readonly target: number | null;
      readonly reward: number;
      readonly outcome: string;
      readonly matured: boolean;
    } | null;
  }[];
  /** False: recorded before the warehouse kept all that the encoder reads. */
  readonly asServed: boolean;
}

/** Decisions in the order of their ids, which is that of time. */
export type ReadLoggedRows = (query: {
  readonly loop: string;
  readonly fromMs: number;
  readonly toMs: number;
}) => AsyncIterable<readonly LoggedRow[]>;
