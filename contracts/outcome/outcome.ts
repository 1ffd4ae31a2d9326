/** What the customer did with a decision's action. */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** What the customer did with a decision's action. */
export interface Outcome {
  /** the client's id, else one derived from the content */
  readonly outcomeId: string;
  /** the decision */
  readonly decisionId: Buffer;
  /** one of the decision's actions */
  readonly actionId: string;
  /** impression, clicked, accepted, rejected, later, converted, complaint, optOut, undelivered, alreadyHas, neverOffered, or the catalog's own */
  readonly outcome: string;
  /** money of the outcome, in the catalog's currency */
  readonly amount: number | null;
  /** worth set directly by the caller */
  readonly reward: number | null;
  /** why, in the operator's codes */
  readonly reasonCode: string | null;
  /** ms since 1970 UTC */
  readonly occurredAt: number;
  /** ms since 1970 UTC */
  readonly receivedAt: number;
}

/** What any catalog understands, besides its own. */
export const STANDARD_OUTCOMES = [
  'impression',
  'clicked',
  'accepted',
  'rejected',
  'later',
  'converted',
  'complaint',
  'optOut',
  'undelivered',
  // It does not apply to this customer, whatever the catalog's conditions say.
  'alreadyHas',
  // The touchpoint did not present it: nobody refused anything.
  'neverOffered',
] as const;

export const outcomeCodec = createRecordCodec<Outcome>({ name: 'attune.outcomes', versions: [v1 as never] });
