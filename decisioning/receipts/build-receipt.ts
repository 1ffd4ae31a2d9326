/** The receipt of a decision from its input and verdict: one builder for whoever decides, so that all receipts say the same of the same. */
import type { Decision, DecisionId } from '#contracts';
import type { DecideInput, Scope, Verdict } from '../types.ts';

/** What a receipt says besides the input and its verdict. */
export interface ReceiptFacts {
  readonly id: DecisionId;
  readonly subject: {
    readonly kind: string;
    /** Null: only the decision names it. */
    readonly id: string | null;
    readonly keyBytes: Buffer;
    readonly anonymous: boolean;
  };
  /** Null: the client gave none. */
  readonly requestId: string | null;
  /** Empty for the catalog's own. */
  readonly loop: string;
  readonly controlsVersion: number;
  /** Whole: the verdict's, and what else was missing. */
  readonly degraded: readonly string[];
  /** As read; null: none was. */
  readonly state: Buffer | null;
  /** Of whom wanted it; empty: the API. */
  readonly cause: string;
  /** 16 bytes, of the first decision of a chain; null: this is it. */
  readonly rootId: Buffer | null;
  readonly latencyUs: number;
}

const NOTHING = Buffer.alloc(0);

export const buildReceipt = (input: DecideInput, verdict: Verdict, facts: ReceiptFacts): Decision => ({
  decisionId: bytesOf(facts.id),
  subjectKind: facts.subject.kind,
  subjectId: facts.subject.id,
  customerKey: facts.subject.keyBytes,
  anonymous: facts.subject.anonymous,
  requestId: facts.requestId,
  decidedAt: input.nowMs,
  channel: input.channel,
  direction: input.direction,
  placement: input.placement,
  limit: input.limit,
  loop: facts.loop,
  context: JSON.stringify(input.context),
  ownCandidates: input.ownCandidates === undefined || input.ownCandidates === null ? null : JSON.stringify(input.ownCandidates),
  allowNone: verdict.allowNone,
  seed: input.seed,
  group: verdict.group,
  catalogVersion: input.catalog.version,
  controlsVersion: facts.controlsVersion,
  modelVersion: verdict.modelVersion,
  modelSnapshot: verdict.modelSnapshot,
  degraded: facts.degraded,
  customerKnown: input.view.known,
  state: facts.state ?? NOTHING,
  featureSet: input.view.featureSet,
  features: listOf(input.view.features),
  stages: verdict.stages,
  scored: verdict.scored,
  propensities: verdict.propensities,
  priorities: verdict.priorities,
  gammas: verdict.gammas,
  probabilities: verdict.probabilities,
  chosen: verdict.chosen,
  noneProbability: verdict.noneProbability,
  latencyUs: facts.latencyUs,
  policy: verdict.policy,
  policyParameters: verdict.policyParameters,
  standardErrors: verdict.standardErrors,
  cause: facts.cause,
  rootId: facts.rootId,
  scope: textOfScope(input.scope),
  holdouts: verdict.holdouts,
  heldOut: verdict.heldOut,
  contactCosts: verdict.contactCosts,
});

const textOfScope = (scope: Scope | null | undefined): string => (scope === undefined || scope === null ? '' : JSON.stringify(scope));

/** Array.from walks an iterator: ten times slower. */
const listOf = (values: Float32Array): number[] => {
  const list = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) list[i] = values[i]!;
  return list;
};

const bytesOf = (id: DecisionId): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');
