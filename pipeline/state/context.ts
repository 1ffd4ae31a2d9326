/** What the steps of state know besides the customer: rules and facts, all pure. */
import type { FeatureSet } from '#feature-store';
import type { Rewards } from '../rewards/rewards.ts';
import type { OutreachRules } from './outreach-desk.ts';

export interface StateFacts {
  readonly featureSet: FeatureSet;
  readonly rewards: Rewards;
  /** The catalog's group of an action, null when no catalog names it. */
  readonly actionGroup: (actionId: string) => string | null;
  /** Absent: nothing is triggered and Attune delivers nothing. */
  readonly outreach?: OutreachRules;
}
