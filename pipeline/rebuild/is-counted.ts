/** Whether an outcome that leads to no pending decision was counted before: a restored state may be ahead of the records that are replayed. */
import { customerKeyToBytes, shardOfDecision, type CustomerKey } from '#contracts';
import type { EventLog } from '#event-log';
import {
  decodeState,
  fingerprintOf,
  hasSeen,
  identityHash,
  loadFeatureSet,
  recordKindOf,
  type FeatureSet,
  type FeatureStore,
} from '#feature-store';
import { identityOfOutcome } from '../state/apply-outcome.ts';
import type { OutcomeInput } from '../state/input.ts';
import { findDecision } from './find-decision.ts';

export interface CountedDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly featureSet: FeatureSet;
  readonly erasedAt: (key: CustomerKey) => number | undefined;
}

/**
 * The state of its decision's customer remembers it (24 h, 64 ids), or the customer was erased after it; otherwise it waits, as it did when it
 * came first. Asked of few outcomes: those whose decision matured while the snapshot was taken, and those that are truly early or late.
 */
export const createIsCounted =
  ({ log, store, featureSet, erasedAt }: CountedDeps) =>
  async ({ decisionId, outcome, record }: OutcomeInput): Promise<boolean> => {
    const decision = await findDecision(log, record.partition, decisionId);
    if (decision === null) return false;
    if (record.timestampMs <= (erasedAt(decision.customerKey) ?? -1)) return true;
    const stored = await store.states.read(customerKeyToBytes(decision.customerKey), shardOfDecision(decisionId));
    if (stored === null || recordKindOf(stored) !== 'state') return false;
    await loadFeatureSet(store.blobs, featureSet, fingerprintOf(stored));
    return hasSeen(decodeState(stored, featureSet), identityHash(identityOfOutcome(decisionId, outcome)));
  };
