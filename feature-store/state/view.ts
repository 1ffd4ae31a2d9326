/** What a decision sees of a customer: features at one moment, the rest read from the stored bytes when it is first asked for. */
import {
  customerKeyFromBytes,
  NO_PAIR,
  type AttributeValue,
  type Contact,
  type CustomerKey,
  type CustomerView,
  type Decision,
  type PairCounters,
} from '#contracts';
import { featureSetByFingerprint, type FeatureSet } from '../definitions/feature-set.ts';
import { decodeState, encodeState, fingerprintOf, isWrittenWith, readState } from './codec.ts';
import type { CustomerState } from './customer-state.ts';
import { migrateState } from './migrate-state.ts';
import type { RecentMessage } from './outreach.ts';

/** What whoever answers the customer is told of, beside what decisions see. */
export interface CustomerStateView extends CustomerView {
  /** Let out within the catalog's backfire window, newest first, at most 5. */
  readonly recentMessages: readonly RecentMessage[];
}

/**
 * @param bytes as read; null: the customer is unknown and every feature has its default. They must not change afterwards.
 * Throws `feature-set.unknown` when they were written with definitions that are not loaded.
 */
export const viewOfState = (
  bytes: Buffer | null,
  options: { readonly customerKey: CustomerKey; readonly featureSet: FeatureSet; readonly nowMs: number },
): CustomerStateView => {
  const { customerKey, featureSet, nowMs } = options;
  if (bytes === null) return new StateView(customerKey, null, featureSet, featureSet.defaults);
  const state = stateToView(bytes, featureSet);
  return new StateView(customerKey, state, featureSet, state.storedFeatures(nowMs));
};

/** The same view again, from a receipt: features as logged, the rest from the state as read. */
export const viewOfReceipt = (decision: Decision, featureSet: FeatureSet): CustomerStateView => {
  const served = featureSetByFingerprint(featureSet, decision.featureSet);
  const state = decision.customerKnown && decision.state.length > 0 ? stateOfReceipt(decision.state, served, featureSet) : null;
  return new StateView(customerKeyFromBytes(decision.customerKey), state, served, Float32Array.from(decision.features));
};

/** Of other definitions: brought to these and stored in memory, so that a view always reads bytes of its own set. */
const stateToView = (bytes: Buffer, featureSet: FeatureSet): CustomerState => {
  const state = decodeState(bytes, featureSet);
  return isWrittenWith(bytes, featureSet) ? state : readState(encodeState(state, 0), featureSet);
};

/** The state may have been written with other definitions than those that served it. */
const stateOfReceipt = (bytes: Buffer, served: FeatureSet, loaded: FeatureSet): CustomerState => {
  if (isWrittenWith(bytes, served)) return readState(bytes, served);
  const state = readState(bytes, featureSetByFingerprint(loaded, fingerprintOf(bytes)));
  return readState(encodeState(migrateState(state, served), 0), served);
};

class StateView implements CustomerStateView {
  readonly customerKey: CustomerKey;
  readonly features: Float32Array;
  readonly #state: CustomerState | null;
  readonly #set: FeatureSet;
  #attributes: Readonly<Record<string, AttributeValue>> | undefined;
  #pending: readonly string[] | undefined;

  constructor(customerKey: CustomerKey, state: CustomerState | null, set: FeatureSet, features: Float32Array) {
    this.customerKey = customerKey;
    this.features = features;
    this.#state = state;
    this.#set = set;
  }

  get known(): boolean {
    return this.#state !== null;
  }

  get featureNames(): readonly string[] {
    return this.#set.names;
  }

  get featureSet(): string {
    return this.#set.fingerprint;
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    return (this.#attributes ??= this.#state === null ? NO_ATTRIBUTES : this.#state.attributeValues());
  }

  get contacts(): readonly Contact[] {
    return this.#state === null ? NO_CONTACTS : this.#state.contacts;
  }

  pair(actionId: string): PairCounters {
    return this.#state === null ? NO_PAIR : this.#state.pair(actionId);
  }

  get recentMessages(): readonly RecentMessage[] {
    return this.#state === null || !this.#state.hasOutreach ? NO_MESSAGES : this.#state.outreach.recent;
  }

  get pendingActionIds(): readonly string[] {
    return (this.#pending ??= this.#state === null ? [] : this.#state.pendingActionIds());
  }
}

const NO_ATTRIBUTES: Readonly<Record<string, AttributeValue>> = Object.freeze({});
const NO_CONTACTS: readonly Contact[] = Object.freeze([]);
const NO_MESSAGES: readonly RecentMessage[] = Object.freeze([]);
