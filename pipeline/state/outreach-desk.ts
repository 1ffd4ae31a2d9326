/** What state asks of catalog, models and controls to reach out to a customer (docs/decisions/0032): a port, so that folding stays pure. */
import type { CustomerKey, CustomerView, Decision, DecisionId } from '#contracts';
import type { Planned } from '#feature-store';
import type { EventData } from './event-data.ts';

/** What follows from the catalog alone: the same live and in a rebuild. */
export interface OutreachRules {
  /** Whether triggers, or trials, listen to this type of event. */
  listens(type: string): boolean;
  /** The triggers that the event pulls, `view` making the customer after it. */
  pulled(event: TriggeringEvent, view: () => CustomerView): readonly Pull[];
  /** What is planned for a customer whose turn it is at `atMs`; null: it does not belong to the segment (any more), or there is no such segment. */
  turned(segmentId: string, view: () => CustomerView, atMs: number): Omit<Planned, 'rootId'> | null;
  /** Whether such an event is the customer's coming to us. */
  isInbound(type: string): boolean;
  /** Whether Attune delivers on this channel; then nothing leaves there but through the gate. */
  delivers(channel: string): boolean;
  /** The peer tells of delivery; else `sent` is the last word. */
  confirms(channel: string): boolean;
  /** How long after a contact the customer's coming is counted. */
  readonly trialWindowMs: number;
  /** Until when a customer who said `later` is left alone; null: for good. */
  snoozeUntil(actionId: string, saidMs: number): number | null;
  /** How long an outbound decision that is put off stays wanted, where its cause does not say. */
  readonly expireMs: number;
}

export interface TriggeringEvent {
  readonly type: string;
  /** When it happened, ms since 1970 UTC. */
  readonly time: number;
  /** When it was accepted: what is due by then is not planned, in a rebuild neither. */
  readonly receivedAt: number;
  readonly data: EventData;
}

export interface Pull extends Omit<Planned, 'rootId'> {
  /** True: plans of this cause that wait give way to this one. */
  readonly debounces: boolean;
}

/** Only where state is live: a rebuild emits nothing (law 4), and takes the verdicts from the log. */
export interface OutreachDesk {
  decide(wanted: WantedOutreach): Reached;
  /** Null: the decision contacts nobody. */
  wanted(decision: Decision): WantedMessage | null;
  judge(asked: JudgedOutreach): GateVerdict;
}

/** What a decision wants to bring: its first slot, or what was chosen there and withheld. */
export interface WantedMessage {
  readonly actionId: string;
  readonly treatmentId: string;
  readonly heldOut: boolean;
}

export type Reached =
  | { readonly kind: 'decided'; readonly decision: Decision }
  /** What withholds everything now ends then. */
  | { readonly kind: 'later'; readonly untilMs: number }
  /** No channel leads to the customer, or there is nothing to decide on. */
  | { readonly kind: 'nothing' };

export interface WantedOutreach {
  readonly planned: Planned;
  readonly decisionId: DecisionId;
  readonly key: CustomerKey;
  /** As the state stands. */
  readonly state: Buffer;
  readonly nowMs: number;
}

export interface JudgedOutreach {
  readonly decision: Decision;
  readonly wanted: WantedMessage;
  readonly view: CustomerView;
  /** Names of reservations that were refused when this was judged before. */
  readonly refused: ReadonlySet<string>;
  readonly nowMs: number;
}

export type GateVerdict =
  | {
      readonly kind: 'allow';
      /** Null, like the content: it stands in the document of the message, as whoever asked for it gave it. */
      readonly address: string | null;
      /** By the names of the treatment's content. */
      readonly content: Readonly<Record<string, string>> | null;
      readonly language: string | null;
      readonly expiresAtMs: number;
      /** The action has a hold-out, and what contacting does is on trial; null: it is not. */
      readonly trial: { readonly holdoutShare: number; readonly ramp: Reservation | null } | null;
      /** Volume caps: the verdict stands only if all of these are had. */
      readonly reservations: readonly Reservation[];
    }
  | { readonly kind: 'defer'; readonly reasonCode: string; readonly untilMs: number; readonly expiresAtMs: number }
  | { readonly kind: 'deny'; readonly reasonCode: string };

export interface Reservation {
  readonly name: string;
  readonly max: number;
  readonly untilMs: number;
}

export const NO_OUTREACH: OutreachRules = Object.freeze({
  listens: () => false,
  pulled: () => [],
  turned: () => null,
  isInbound: () => false,
  delivers: () => false,
  confirms: () => false,
  trialWindowMs: 0,
  snoozeUntil: () => null,
  expireMs: 0,
});
