/** Whether a message was let out, by the only thing that says so: the customer's committed state. */
import { parseDecisionId, shardOfDecision } from '#contracts';
import type { CommunicationDocument } from '#contracts';
import { decodeState, fingerprintOf, isLetOut, isRebuilding, loadFeatureSet, recordKindOf } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { LetOut } from './channel-lane.ts';

export interface LetOutDeps {
  readonly store: Pick<FeatureStore, 'states' | 'blobs' | 'leases'>;
  /** Of the project in force. */
  readonly featureSet: () => FeatureSet;
}

/** Rejects when the state cannot be read: that is not an answer. */
export const createLetOut =
  ({ store, featureSet }: LetOutDeps): ((document: CommunicationDocument) => Promise<LetOut>) =>
  async ({ customerKey, decisionId }) => {
    const id = decisionId === null ? null : parseDecisionId(decisionId);
    if (id === null) return 'not-let-out';
    const value = await store.states.read(Buffer.from(customerKey, 'hex'), shardOfDecision(id));
    const isState = value !== null && recordKindOf(value) === 'state';
    if (isState) {
      const set = featureSet();
      await loadFeatureSet(store.blobs, set, fingerprintOf(value));
      if (isLetOut(decodeState(value, set), id)) return 'let-out';
    }
    // A rebuild takes states away for a while.
    if (await isRebuilding(store.leases)) return 'later';
    return isState ? 'not-let-out' : 'unknown-customer';
  };
