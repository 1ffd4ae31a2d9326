/** What a decision and a model may see of a customer: the state as read, at one moment. */
import type { CustomerKey } from '../ids.ts';

export type AttributeValue = string | number | boolean;

/** What is known of one customer and one action; the input of pair features and of repetition limits. */
export interface PairCounters {
  readonly shown: number;
  readonly accepted: number;
  readonly rejected: number;
  /** ms since 1970 UTC; 0 when never */
  readonly lastShownMs: number;
  /** ms since 1970 UTC; 0 when never */
  readonly lastRejectedMs: number;
}

/** A treatment that reached the customer, newest first in lists. */
export interface Contact {
  readonly atMs: number;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly actionId: string;
}

/** Of a customer, as many are kept. */
export const MAX_CONTACTS = 20;

export const NO_PAIR: PairCounters = Object.freeze({ shown: 0, accepted: 0, rejected: 0, lastShownMs: 0, lastRejectedMs: 0 });

export interface CustomerView {
  readonly customerKey: CustomerKey;
  /** False: no state was found, or it could not be read (then `degraded` says so). */
  readonly known: boolean;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** In the order of `featureNames`; float32, as logged. An empty feature has its declared default. */
  readonly features: Float32Array;
  readonly featureNames: readonly string[];
  /** 16 hex digits of the feature definitions. */
  readonly featureSet: string;
  /** Contacts of the last weeks, newest first, at most 20. */
  readonly contacts: readonly Contact[];
  /** `NO_PAIR` when the two never met, or long ago (the top 32 are kept). */
  pair(actionId: string): PairCounters;
  /** Actions of decisions that still wait for an outcome. */
  readonly pendingActionIds: readonly string[];
}

/** Of whom nothing was read: no attributes, no features, no contacts. Spread, the base of a view of which only some parts are known. */
export const UNKNOWN_CUSTOMER: CustomerView = Object.freeze({
  customerKey: '0'.repeat(32) as CustomerKey,
  known: false,
  attributes: Object.freeze({}),
  features: new Float32Array(0),
  featureNames: Object.freeze([]),
  featureSet: '',
  contacts: Object.freeze([]),
  pair: () => NO_PAIR,
  pendingActionIds: Object.freeze([]),
});
