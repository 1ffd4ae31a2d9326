/** Which channel a decision that leaves it open is made for: the customer's own choice first, then the operator's order. */
import type { Context, CustomerView } from '#contracts';
import type { Catalog } from '../catalog/types.ts';
import { isChannelPaused, openFunnel, stageOf } from '../decide/funnel.ts';
import { openMoment } from '../decide/moment.ts';
import { planOf } from '../decide/plan.ts';
import { groupOf } from '../groups.ts';
import { STAGE } from '../stages.ts';
import type { DecideInput, Scope } from '../types.ts';
import { askedOn } from './asked-on.ts';
import { gateVerdict } from './gate.ts';

/** What of channels.yaml the choice depends on. */
export interface ChannelOrder {
  readonly fallback: readonly string[];
  /** Attribute that names the customer's preferred channel; null: nobody prefers any. */
  readonly preferred: string | null;
  /** By name: the attribute that is the customer's address there. */
  readonly channels: ReadonlyMap<string, { readonly address: string }>;
}

export interface ChannelQuestion {
  readonly catalog: Catalog;
  readonly channels: ChannelOrder;
  readonly view: CustomerView;
  readonly scope: Scope | null;
  readonly context: Context;
  readonly controls: DecideInput['controls'];
  readonly nowMs: number;
  /** Past it nothing is decided any more. */
  readonly expiresAtMs: number;
}

export interface ChannelChoice {
  /** Null: none will do now. */
  readonly channel: string | null;
  /** Those before it, and why not. */
  readonly passedOver: readonly { readonly channel: string; readonly reasonCode: (typeof PASSED_OVER)[keyof typeof PASSED_OVER] }[];
  /** Without a channel: when the earliest of what only the contact policy withholds may be decided again; null: nothing ends in time. */
  readonly again: { readonly untilMs: number; readonly reasonCode: string } | null;
}

export const PASSED_OVER = Object.freeze({
  /** The catalog's channel is inbound only, or paused, or does not work at this moment. */
  closed: 'channel-closed',
  noAddress: 'no-address',
  nothingEligible: 'nothing-eligible',
} as const);

export const chooseChannel = (question: ChannelQuestion): ChannelChoice => {
  const { catalog, channels, view } = question;
  const passedOver: ChannelChoice['passedOver'][number][] = [];
  let again: ChannelChoice['again'] = null;
  for (const channel of orderFor(channels, view)) {
    const asked = askedOn(question, channel);
    const outbound = catalog.channels.get(channel)?.directions.includes('outbound') === true;
    if (!outbound || isChannelPaused(asked) || asked.controls?.stopOutbound === true) {
      passedOver.push({ channel, reasonCode: PASSED_OVER.closed });
    } else if (addressOf(channels, channel, view) === null) {
      passedOver.push({ channel, reasonCode: PASSED_OVER.noAddress });
    } else {
      const { eligible, withheld } = actionsOn(asked);
      if (eligible) return { channel, passedOver, again: null };
      passedOver.push({ channel, reasonCode: PASSED_OVER.nothingEligible });
      for (const actionId of withheld) {
        const verdict = gateVerdict({ ...question, channel, actionId });
        if (verdict.kind === 'defer' && (again === null || verdict.untilMs < again.untilMs)) again = verdict;
      }
    }
  }
  return { channel: null, passedOver, again: again === null ? null : { untilMs: again.untilMs, reasonCode: again.reasonCode } };
};

/** Only channels that Attune delivers, each once. */
const orderFor = ({ preferred, fallback, channels }: ChannelOrder, { attributes }: CustomerView): ReadonlySet<string> => {
  const own = preferred === null ? undefined : attributes[preferred];
  return new Set([...(typeof own === 'string' ? [own] : []), ...fallback].filter((name) => channels.has(name)));
};

/** Where a message on the channel goes; null: the customer has told no address, or Attune does not deliver there. */
export const addressOf = (channels: ChannelOrder, channel: string, { attributes }: Pick<CustomerView, 'attributes'>): string | null => {
  const value = attributes[channels.channels.get(channel)?.address ?? ''];
  return typeof value === 'string' && value.trim() !== '' ? value : null;
};

/** Whether anything could be sent, and what the contact policy alone withholds. */
const actionsOn = (asked: DecideInput): { readonly eligible: boolean; readonly withheld: readonly string[] } => {
  const { catalog, view, nowMs } = asked;
  const funnel = openFunnel(openMoment(planOf(catalog), asked), groupOf(view.customerKey, nowMs, catalog.shares));
  const withheld: string[] = [];
  for (const action of catalog.actions) {
    const stage = stageOf(funnel, action);
    if (stage === STAGE.scored) return { eligible: true, withheld: [] };
    if (stage === STAGE.contactPolicy) withheld.push(action.id);
  }
  return { eligible: false, withheld };
};

/** When an action is offered again to a customer who said "later", ms since 1970 UTC; null: not at all, or it has ended by then. */
export const snoozeUntil = (catalog: Catalog, actionId: string, saidMs: number): number | null => {
  const action = catalog.actions[catalog.indexOf.get(actionId) ?? -1];
  if (action === undefined || action.snoozeMs === 0) return null;
  const untilMs = saidMs + action.snoozeMs;
  return untilMs < action.endMs ? untilMs : null;
};
