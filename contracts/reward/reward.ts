/** The worth of one shown action, absolute: a later record of the same decision and rank replaces an earlier one. */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** The worth of one shown action, absolute: a later record of the same decision and rank replaces an earlier one. */
export interface Reward {
  /** the decision */
  readonly decisionId: Buffer;
  /** of the customer */
  readonly customerKey: Buffer;
  /** 1-based slot of the action in the decision */
  readonly rank: number;
  /** the action */
  readonly actionId: string;
  /** empty for the catalog's loop, else the caller's */
  readonly loop: string;
  /** what made it: a showing, an outcome, the time-out, an event without decision id */
  readonly kind: 'provisional' | 'outcome' | 'matured' | 'recognised';
  /** what the head learns from: 0 or 1 accepted, or the reward itself for the caller's own candidates; null teaches nothing */
  readonly target: number | null;
  /** graded worth in money less cost, without levers */
  readonly reward: number;
  /** the latest outcome, or 'none' */
  readonly outcome: string;
  /** money of the outcome */
  readonly amount: number | null;
  /** of the decision; ms since 1970 UTC */
  readonly decidedAt: number;
  /** of what made this record; ms since 1970 UTC */
  readonly occurredAt: number;
  /** true once the attribution window closed */
  readonly matured: boolean;
  /** grows by one with each record of the same decision and rank */
  readonly revision: number;
  /** the input that made it */
  readonly sourceTopic: string;
  /** its partition */
  readonly sourcePartition: number;
  /** its offset */
  readonly sourceOffset: number;
  /** place among the outputs of that input */
  readonly sourceIndex: number;
}

export const rewardCodec = createRecordCodec<Reward>({ name: 'attune.rewards', versions: [v1 as never] });
