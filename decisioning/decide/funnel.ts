/** Who may be shown: each action's way through the stages, ending in a code. */
import { STAGE } from '../stages.ts';
import type { StageCode } from '../stages.ts';
import type { CatalogAction, Placement } from '../catalog/types.ts';
import type { Group } from '../groups.ts';
import type { DecideInput, Scope } from '../types.ts';
import type { Face } from './plan.ts';
import { firstFailing, withholdingRule } from './moment.ts';
import type { Moment } from './moment.ts';

export interface Funnel {
  readonly moment: Moment;
  readonly face: Face;
  /** Per action: its treatment here, or -1. */
  readonly treatments: Int16Array;
  readonly group: Group;
  readonly placement: Placement | null;
  readonly pausedActions: readonly string[];
  readonly outboundStopped: boolean;
  readonly channelPaused: boolean;
  /** Null: all. */
  readonly scope: Scope | null;
}

export const openFunnel = (moment: Moment, group: Group): Funnel => {
  const { plan, input } = moment;
  const face = plan.face(input.channel, input.direction);
  const { controls } = input;
  return {
    moment,
    face,
    treatments: (input.placement === null ? undefined : face.placements.get(input.placement)) ?? face.treatments,
    group,
    placement: (input.placement === null ? undefined : plan.catalog.placements.get(input.placement)) ?? null,
    pausedActions: controls?.pausedActions ?? [],
    outboundStopped: controls !== null && controls.stopOutbound && input.direction === 'outbound',
    channelPaused: isChannelPaused(input),
    scope: scopeOf(input.scope),
  };
};

/** By an operator; or it does not deliver at this moment, which is nothing to who asks for themselves. */
export const isChannelPaused = ({ controls, channel, direction }: DecideInput): boolean =>
  controls !== null &&
  (controls.pausedChannels.includes(channel) || (direction === 'outbound' && (controls.downChannels?.includes(channel) ?? false)));

/** `scored` when nothing withholds it; its value is then in `plan.values`. The order of the stages is the order of the codes. */
export const stageOf = (funnel: Funnel, action: CatalogAction): StageCode => {
  const { moment } = funnel;
  const { plan, input } = moment;
  if (funnel.treatments[action.index]! < 0 || (funnel.placement !== null && !isPlaced(funnel.placement, input.channel, action)))
    return STAGE.channel;
  if (input.nowMs < action.startMs || input.nowMs >= action.endMs) return STAGE.dates;
  if (funnel.channelPaused || (funnel.pausedActions.length > 0 && funnel.pausedActions.includes(action.id))) return STAGE.paused;
  if (funnel.outboundStopped) return STAGE.outboundStopped;
  if (funnel.group === 'untouched' && plan.marketing[action.index] === 1) return STAGE.group;
  if (moment.readFailed && !action.isDefault) return STAGE.unread;
  if (funnel.scope !== null && !isInScope(funnel.scope, action)) return STAGE.scope;
  if (firstFailing(moment, action.eligibility, action) >= 0) return STAGE.eligibility;
  if (firstFailing(moment, action.applicability, action) >= 0) return STAGE.applicability;
  if (firstFailing(moment, action.suitability, action) >= 0) return STAGE.suitability;
  if (withholdingRule(moment, funnel.face.rules[action.index]!, action) !== null) return STAGE.contactPolicy;
  return readValue(moment, action) ? STAGE.scored : STAGE.value;
};

/** One without a list is as none. */
const scopeOf = (scope: Scope | null | undefined): Scope | null =>
  scope?.actions === undefined && scope?.topics === undefined && scope?.groups === undefined ? null : scope;

const isInScope = ({ actions, topics, groups }: Scope, { id, topic, group }: CatalogAction): boolean =>
  actions?.includes(id) === true || topics?.includes(topic) === true || groups?.includes(group) === true;

const isPlaced = (placement: Placement, channel: string, action: CatalogAction): boolean =>
  (placement.channels?.includes(channel) ?? true) &&
  (placement.groups?.includes(action.group) ?? true) &&
  (placement.topics?.includes(action.topic) ?? true);

const readValue = (moment: Moment, action: CatalogAction): boolean => {
  const { plan } = moment;
  if (action.value !== null) {
    plan.values[action.index] = action.value;
    return true;
  }
  plan.scope.action = action.scope;
  const value = action.valueExpression!(plan.scope);
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  plan.values[action.index] = value - action.cost;
  return true;
};
