/** The one gate for messages: whether this one may leave now, or when it may be decided again, by the customer as it stands at this moment. */
import { MINUTE_MS } from '#contracts';
import type { Context, CustomerView } from '#contracts';
import type { Catalog, CatalogAction, Rule } from '../catalog/types.ts';
import { isChannelPaused } from '../decide/funnel.ts';
import { openMoment, withholds } from '../decide/moment.ts';
import type { Moment } from '../decide/moment.ts';
import { planOf } from '../decide/plan.ts';
import type { DecideInput } from '../types.ts';
import { askedOn } from './asked-on.ts';
import { endOf, endOfForgotten } from './when-it-ends.ts';

export type GateVerdict =
  | { readonly kind: 'allow' }
  /** @property reasonCode a rule's id, or one of GATE_REASONS */
  | { readonly kind: 'deny'; readonly reasonCode: string }
  /** Decided again, not checked again, at `untilMs`, which is later than now and before the message expires. */
  | { readonly kind: 'defer'; readonly reasonCode: string; readonly untilMs: number };

export const GATE_REASONS = Object.freeze({
  /** The catalog in force does not have the action. */
  unknownAction: 'unknown-action',
  expired: 'expired',
  outboundStopped: 'outbound-stopped',
  actionPaused: 'action-paused',
  channelPaused: 'channel-paused',
  channelDown: 'channel-down',
  /** Before the action's start or after its end. */
  dates: 'dates',
} as const);

export interface GateInput {
  readonly catalog: Catalog;
  /** Without the message that is asked about. */
  readonly view: CustomerView;
  readonly actionId: string;
  readonly channel: string;
  readonly context: Context;
  /** Null: nothing is paused. */
  readonly controls: DecideInput['controls'];
  readonly nowMs: number;
  /** Of the message. */
  readonly expiresAtMs: number;
}

/** A channel that is down may come back soon, and another may do meanwhile. */
const AGAIN_WHEN_DOWN_MS = 5 * MINUTE_MS;
const ALLOW: GateVerdict = Object.freeze({ kind: 'allow' });

/**
 * Every rule that reaches the action is asked. The first that withholds it for good denies; else what withholds it longest defers, if it ends
 * before the message expires, and denies if not.
 */
export const gateVerdict = (input: GateInput): GateVerdict => {
  const { catalog, nowMs, expiresAtMs } = input;
  const action = catalog.actions[catalog.indexOf.get(input.actionId) ?? -1];
  if (action === undefined) return deny(GATE_REASONS.unknownAction);
  if (nowMs >= expiresAtMs) return deny(GATE_REASONS.expired);
  const asked = askedOn(input, input.channel);
  const stopped = stoppedBy(asked, action);
  if (stopped !== null) return deny(stopped);
  if (nowMs < action.startMs || nowMs >= action.endMs) return deny(GATE_REASONS.dates);
  const plan = planOf(catalog);
  const moment = openMoment(plan, asked);
  let [untilMs, reasonCode] = isChannelPaused(asked) ? [nowMs + AGAIN_WHEN_DOWN_MS, GATE_REASONS.channelDown as string] : [0, ''];
  for (const rule of plan.face(input.channel, 'outbound').rules[action.index]!) {
    const endMs = withheldUntil(moment, rule, action);
    if (endMs >= expiresAtMs) return deny(rule.id);
    if (endMs > untilMs) [untilMs, reasonCode] = [endMs, rule.id];
  }
  if (untilMs <= nowMs) return ALLOW;
  return untilMs < expiresAtMs ? { kind: 'defer', reasonCode, untilMs } : deny(reasonCode);
};

const deny = (reasonCode: string): GateVerdict => ({ kind: 'deny', reasonCode });

const stoppedBy = ({ controls, channel }: DecideInput, { id }: CatalogAction): string | null => {
  if (controls === null) return null;
  if (controls.stopOutbound) return GATE_REASONS.outboundStopped;
  if (controls.pausedActions.includes(id)) return GATE_REASONS.actionPaused;
  return controls.pausedChannels.includes(channel) ? GATE_REASONS.channelPaused : null;
};

/** 0: it does not withhold the action. */
const withheldUntil = (moment: Moment, rule: Rule, action: CatalogAction): number => {
  if (withholds(moment, rule, action)) return endOf(moment, rule, action);
  if (rule.rule.kind !== 'limit') return 0;
  const endMs = endOfForgotten(moment, rule.rule.windowMs);
  return endMs > moment.input.nowMs ? endMs : 0;
};
