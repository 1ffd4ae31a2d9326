/** What a decision is asked and what it answers. */
import type { ActionProfile, Chosen, Context, Control, CustomerView, Decision, Scorer } from '#contracts';
import type { Catalog } from './catalog/types.ts';
import type { Group } from './groups.ts';

/** Which of the catalog's actions may take part: those that any of the lists names; without a list, all. */
export interface Scope {
  readonly actions?: readonly string[];
  readonly topics?: readonly string[];
  readonly groups?: readonly string[];
}

export interface DecideInput {
  readonly catalog: Catalog;
  readonly view: CustomerView;
  /** True: the state could not be read. Conditions over customer and features are then false, and only default actions are eligible. */
  readonly readFailed?: boolean;
  /** Null: no model; the actions' priors stand in for propensities. */
  readonly scorer: Scorer | null;
  /** Null: nothing is paused. */
  readonly controls:
    | (Pick<Control, 'stopOutbound' | 'pausedActions' | 'pausedChannels' | 'explorationOff'> & Partial<Pick<Control, 'downChannels'>>)
    | null;
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly placement: string | null;
  /** Null: all actions of the catalog may take part. */
  readonly scope?: Scope | null;
  /** By action id: in which share of the times that it is chosen for an outbound decision it is withheld; in [0, 1). Inbound ignores it. */
  readonly holdouts?: ReadonlyMap<string, number> | null;
  /** By action id: money that contacting costs in inbound contacts, taken off the priority of outbound decisions; negative: it saves some. */
  readonly contactCosts?: ReadonlyMap<string, number> | null;
  /** Slots asked for, at least 1. */
  readonly limit: number;
  readonly context: Context;
  /** The caller's own candidates instead of the catalog's actions. */
  readonly ownCandidates?: readonly ActionProfile[] | null;
  /** Default: true with the catalog, false with the caller's own candidates. */
  readonly allowNone?: boolean;
  readonly nowMs: number;
  /** Of every draw; an integer in [0, 2^53). */
  readonly seed: number;
  /** Default: `groupOf` customer and month. */
  readonly group?: Group;
}

/** The part of the receipt that deciding makes; its fields are named as there. */
export type Verdict = Pick<
  Decision,
  | 'group'
  | 'allowNone'
  | 'modelVersion'
  | 'modelSnapshot'
  | 'stages'
  | 'scored'
  | 'propensities'
  | 'priorities'
  | 'gammas'
  | 'probabilities'
  | 'noneProbability'
> &
  Required<Pick<Decision, 'policy' | 'policyParameters' | 'standardErrors' | 'holdouts' | 'heldOut' | 'contactCosts'>> & {
    readonly chosen: readonly Chosen[];
    /** `features`, `model`; empty when all was well. */
    readonly degraded: readonly string[];
  };

export const DEGRADED = Object.freeze({ stateUnread: 'features', noModel: 'model' } as const);

/** What a receipt calls a decision in which no policy drew: exploration is off, or the customer is in the group `random`. */
export const DRAWN_WITHOUT = Object.freeze({ off: 'off', random: 'random' } as const);
