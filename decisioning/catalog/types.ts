/** A compiled catalog: actions, policies and conditions as flat data, ready for the hot path. */
import type { ActionProfile, AttributeValue } from '#contracts';
import type { ExplorationSpec } from '#models/exploration';
import type { Expression } from '#project';
import type { GroupShares } from '../groups.ts';

export type Direction = 'inbound' | 'outbound';

export interface Channel {
  readonly name: string;
  readonly directions: readonly Direction[];
  /** How template values are escaped: `html` for pages and mails, `text` where a terminal or phone shows them as they are. */
  readonly escape: 'html' | 'text';
}

/** A condition of an action or policy, by its place in the pool. */
export interface Check {
  readonly condition: number;
  readonly source: string;
  /** Why not, in words, when it is false. */
  readonly reason: string;
}

export interface Treatment {
  readonly id: string;
  readonly channel: string;
  readonly direction: Direction;
  /** Null: any. */
  readonly placement: string | null;
  readonly content: Readonly<Record<string, Template>>;
  /** By language (BCP 47, in lower case): the texts that differ. */
  readonly translations: ReadonlyMap<string, Readonly<Record<string, Template>>>;
  readonly flowId: string | null;
}

/** Text, or a place to fill: alternating, text first. */
export interface Template {
  readonly texts: readonly string[];
  readonly places: readonly {
    readonly root: 'customer' | 'context' | 'features' | 'action';
    readonly field: string;
    /** Null: without a value the text cannot be told. */
    readonly fallback: string | null;
  }[];
}

export interface CatalogAction {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly group: string;
  readonly topic: string;
  /** Worth if accepted, less cost; the number when it is one, else null and `valueExpression` says it. */
  readonly value: number | null;
  readonly valueExpression: Expression | null;
  readonly valueReadsCustomer: boolean;
  readonly cost: number;
  /** P(accepted | shown) where no model is. */
  readonly prior: number;
  readonly explore: boolean;
  readonly mandatory: boolean;
  /** As a message it is withheld by no limit, quiet hours or cool-down but its own, and never held out: what the customer must know. */
  readonly critical: boolean;
  /** After how long it is offered again to a customer who said "later"; 0: it is not. */
  readonly snoozeMs: number;
  readonly isDefault: boolean;
  readonly startMs: number;
  readonly endMs: number;
  readonly eligibility: readonly Check[];
  readonly applicability: readonly Check[];
  readonly suitability: readonly Check[];
  readonly treatments: readonly Treatment[];
  readonly profile: ActionProfile;
  /** What CEL sees as `action`. */
  readonly scope: Readonly<Record<string, AttributeValue>>;
}

/** To what a rule or weight applies; null: to all. */
export interface Reach {
  readonly groups: readonly string[] | null;
  readonly topics: readonly string[] | null;
  readonly actions: readonly string[] | null;
  readonly channels: readonly string[] | null;
  readonly directions: readonly Direction[] | null;
}

export type Per = 'customer' | 'channel' | 'group' | 'topic' | 'action';

export type RuleKind =
  | { readonly kind: 'limit'; readonly max: number; readonly windowMs: number; readonly per: Per }
  | {
      readonly kind: 'coolDown';
      readonly after: 'rejected' | 'shown' | 'accepted';
      readonly windowMs: number;
      readonly per: 'action' | 'topic';
    }
  | { readonly kind: 'quietHours'; readonly from: number; readonly to: number }
  | { readonly kind: 'require'; readonly check: Check }
  | { readonly kind: 'pending' };

export interface Rule {
  readonly index: number;
  readonly id: string;
  readonly reason: string;
  readonly reach: Reach;
  readonly rule: RuleKind;
  /** Of `require` and `pending`: a message that it withholds is decided again after as much. Null: it is not. */
  readonly deferMs: number | null;
  /** 1 for each action that it may withhold. */
  readonly mask: Uint8Array;
}

export interface Weight {
  readonly id: string;
  readonly weight: number;
  /** Index into the pool; -1: always. */
  readonly condition: number;
  readonly reach: Reach;
  readonly mask: Uint8Array;
}

export interface Placement {
  readonly name: string;
  readonly channels: readonly string[] | null;
  readonly groups: readonly string[] | null;
  readonly topics: readonly string[] | null;
  readonly limit: number | null;
}

/** How the harm of contacting is measured and bounded; docs/decisions/0032. */
export interface Backfire {
  /** After a contact, in which the customer's coming to us counts. */
  readonly windowMs: number;
  /** By so much the rate of inbound contact may rise. At 0.01 a doubled rate of 8 % is found within 2,000 contacts in 98 of 100 cases; at 0.02 in 94. */
  readonly margin: number;
  /** Of the confidence sequence. */
  readonly alpha: number;
  /** Shares of a new action, and of one whose harmlessness is proved. */
  readonly holdout: { readonly first: number; readonly last: number };
  /** Money that one inbound contact costs; 0: decisions do not count it. */
  readonly inboundContact: number;
  /** Customers of an action without proof whose windows are open at once, at most. */
  readonly ramp: number;
}

/** Equal conditions once; `readsAction` ones are evaluated for each action. */
export interface PooledCondition {
  readonly source: string;
  readonly test: (scope: never) => boolean;
  readonly readsAction: boolean;
  readonly readsCustomer: boolean;
}

export interface Catalog {
  readonly version: string;
  readonly name: string;
  readonly currency: string;
  readonly timeZone: string;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly topics: readonly string[];
  readonly groups: readonly string[];
  readonly marketingGroups: readonly string[];
  readonly placements: ReadonlyMap<string, Placement>;
  readonly actions: readonly CatalogAction[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly conditions: readonly PooledCondition[];
  readonly rules: readonly Rule[];
  readonly weights: readonly Weight[];
  readonly shares: GroupShares;
  readonly nonePriority: number;
  readonly exploration: ExplorationSpec;
  /** Of callers' own candidates. */
  readonly ownExploration: ExplorationSpec;
  /** Names of attributes, context fields and callers' features that no model sees; conditions and templates do. */
  readonly personal: ReadonlySet<string>;
  /** In one answer; Infinity: no bound. */
  readonly perTopic: number;
  readonly backfire: Backfire;
}
