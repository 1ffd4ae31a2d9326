/** Outreach by a catalog: its triggers, channels and contact policy, with the models and controls in force. */
import { DAY_MS, customerKeyToBytes, decisionIdToBytes, hash32 } from '#contracts';
import type { Context, Control, CustomerKey, CustomerView, Decision, Scorer } from '#contracts';
import {
  addressOf,
  buildReceipt,
  causeOfTrigger,
  chooseChannel,
  contentOf,
  decide,
  gateVerdict,
  contactCostsOf,
  holdoutsOf,
  isIn,
  matchTriggers,
  planOfSegment,
  planOfTrigger,
  quietFrom,
  snoozeUntil,
} from '#decisioning';
import type { Catalog, ChannelOrder, Scope, Segments, Triggers } from '#decisioning';
import { viewOfState } from '#feature-store';
import type { FeatureSet } from '#feature-store';
import { confirmsDelivery } from '#project';
import type { Channels, EventTypes } from '#project';
import type {
  GateVerdict,
  JudgedOutreach,
  OutreachDesk,
  OutreachRules,
  Pull,
  Reached,
  Reservation,
  TriggeringEvent,
  WantedMessage,
  WantedOutreach,
} from './outreach-desk.ts';

export interface OutreachCatalog {
  readonly catalog: Catalog;
  readonly channels: Channels;
  readonly triggers: Triggers;
  readonly segments: Segments;
  readonly eventTypes: EventTypes;
  readonly featureSet: FeatureSet;
}

export interface OutreachDeskDeps extends OutreachCatalog {
  /** Null: no model serves yet. */
  readonly scorer: (key: CustomerKey) => Scorer | null;
  readonly controls: () => Control;
}

export const createOutreachRules = ({ catalog, channels, triggers, segments, eventTypes }: OutreachCatalog): OutreachRules => {
  const inbound = new Set(eventTypes.names.filter((name) => eventTypes.get(name)?.inboundContact === true));
  return {
    listens: (type) => triggers.byEvent.has(type) || inbound.has(type),
    pulled: (event, view) => pulledBy(triggers, event, view),
    turned(segmentId, view, atMs) {
      const segment = segments.byId.get(segmentId);
      return segment === undefined || !isIn(segment, view()) ? null : planOfSegment(segment, atMs);
    },
    isInbound: (type) => inbound.has(type),
    delivers: (channel) => channels.channels.has(channel),
    confirms: (channel) => confirmsOn(channels, channel),
    trialWindowMs: catalog.backfire.windowMs,
    snoozeUntil: (actionId, saidMs) => snoozeUntil(catalog, actionId, saidMs),
    expireMs: EXPIRE_MS,
  };
};

const confirmsOn = ({ channels }: Channels, channel: string): boolean => {
  const definition = channels.get(channel);
  return definition !== undefined && confirmsDelivery(definition.settings);
};

/** Of a snooze. */
const EXPIRE_MS = DAY_MS;

const pulledBy = (triggers: Triggers, event: TriggeringEvent, view: () => CustomerView): readonly Pull[] => {
  if (!triggers.byEvent.has(event.type)) return [];
  return matchTriggers(triggers, event, view()).map((trigger): Pull => ({
    ...planOfTrigger(trigger, event.time),
    cause: causeOfTrigger(trigger),
    debounces: trigger.debounceMs > 0,
  }));
};

export const createOutreachDesk = (deps: OutreachDeskDeps): OutreachDesk => ({
  decide: (wanted) => reach(deps, wanted),
  wanted: (decision) => wantedBy(deps.catalog, decision),
  judge: (asked) => judge(deps, asked),
});

const reach = (deps: OutreachDeskDeps, { planned, decisionId, key, state, nowMs }: WantedOutreach): Reached => {
  const { catalog, channels, featureSet } = deps;
  const startedMs = performance.now();
  const control = deps.controls();
  const view = viewOfState(state, { customerKey: key, featureSet, nowMs });
  const scope = planned.scope === '' ? null : (JSON.parse(planned.scope) as Scope);
  const context = JSON.parse(planned.context) as Context;
  const { expiresAtMs } = planned;
  const order: ChannelOrder = planned.channel === '' ? channels : { ...channels, preferred: null, fallback: [planned.channel] };
  const question = { catalog, channels: order, view, scope, context, controls: control, nowMs, expiresAtMs };
  // Whose address stands in the document needs none in the state.
  const { channel, again } = planned.cause === 'tmf681' ? { channel: planned.channel, again: null } : chooseChannel(question);
  if (channel === null) return again === null ? { kind: 'nothing' } : { kind: 'later', untilMs: again.untilMs };
  const input = {
    catalog,
    view,
    scorer: deps.scorer(key),
    controls: control,
    holdouts: holdoutsOf(catalog, control),
    contactCosts: contactCostsOf(catalog, control),
    channel,
    direction: 'outbound' as const,
    placement: null,
    scope,
    limit: 1,
    context,
    nowMs,
    // Of the id, so that folding again draws the same.
    seed: hash32(decisionId, 0x5d) * 0x100000 + (hash32(decisionId, 0x5e) & 0xfffff),
  };
  const verdict = decide(input);
  const decision = buildReceipt(input, verdict, {
    id: decisionId,
    subject: { kind: 'customer', id: null, keyBytes: customerKeyToBytes(key), anonymous: false },
    requestId: null,
    loop: '',
    controlsVersion: control.version,
    degraded: verdict.degraded,
    state,
    cause: planned.cause,
    rootId: planned.rootId === null ? null : decisionIdToBytes(planned.rootId),
    latencyUs: Math.round((performance.now() - startedMs) * 1_000),
  });
  return { kind: 'decided', decision };
};

/** By the catalog in force: a candidate keeps its place only within one version, so another version's hold-out is nobody's. */
const wantedBy = (catalog: Catalog, { chosen, heldOut = -1, scored, catalogVersion, channel }: Decision): WantedMessage | null => {
  const [first] = chosen;
  if (first !== undefined) return { actionId: first.actionId, treatmentId: first.treatmentId, heldOut: false };
  const action = heldOut < 0 || catalogVersion !== catalog.version ? undefined : catalog.actions[scored[heldOut]!];
  const treatment = action?.treatments.find((one) => one.channel === channel && one.direction === 'outbound');
  return action === undefined || treatment === undefined ? null : { actionId: action.id, treatmentId: treatment.id, heldOut: true };
};

const judge = (deps: OutreachDeskDeps, { decision, wanted, view, refused, nowMs }: JudgedOutreach): GateVerdict => {
  const { catalog, channels } = deps;
  const { channel } = decision;
  const { actionId } = wanted;
  const definition = channels.channels.get(channel)!;
  const context = JSON.parse(decision.context) as Context;
  const expiresAtMs = nowMs + definition.expireAfterMs;
  const controls = deps.controls();
  const asked = { catalog, view, actionId, channel, context, controls, nowMs, expiresAtMs };
  const verdict = gateVerdict(asked);
  if (verdict.kind !== 'allow') return verdict.kind === 'deny' ? verdict : { ...verdict, expiresAtMs };
  const full = reservationsOf(deps, actionId, channel, nowMs).find(({ name }) => refused.has(name));
  if (full !== undefined) return { kind: 'deny', reasonCode: 'volume-cap' };
  const trial = trialOf(catalog, controls, decision, wanted, nowMs);
  if (trial?.ramp !== null && trial?.ramp !== undefined && refused.has(trial.ramp.name)) return { kind: 'deny', reasonCode: 'ramp' };
  const address = addressOf(channels, channel, view);
  const asWritten = decision.cause === 'tmf681';
  if (address === null && !asWritten) return { kind: 'deny', reasonCode: 'no-address' };
  const language = languageOf(definition.language, view);
  const filled = asWritten ? null : contentOf(catalog, wanted, { view, context, language });
  if (filled === null && !asWritten) return { kind: 'deny', reasonCode: 'unknown-treatment' };
  if (filled !== null && filled.missing.length > 0) return { kind: 'deny', reasonCode: `missing:${filled.missing[0]}` };
  return {
    kind: 'allow',
    address,
    content: filled?.content ?? null,
    language,
    expiresAtMs: quietFrom(asked),
    trial,
    reservations: wanted.heldOut ? [] : reservationsOf(deps, actionId, channel, nowMs),
  };
};

const languageOf = (attribute: string | null, { attributes }: CustomerView): string | null => {
  const value = attribute === null ? undefined : attributes[attribute];
  return typeof value === 'string' ? value : null;
};

const PERIODS = { hour: 3_600_000, day: DAY_MS, week: 7 * DAY_MS } as const;

/** Periods are calendar ones of UTC; weeks begin on Thursday, as 1970 did. */
const reservationsOf = ({ channels }: OutreachCatalog, actionId: string, channel: string, nowMs: number): Reservation[] =>
  channels.caps
    .filter((cap) => (cap.channel ?? channel) === channel && (cap.action ?? actionId) === actionId)
    .map(({ channel: of, action, max, per }) => {
      const lengthMs = PERIODS[per];
      const period = Math.floor(nowMs / lengthMs);
      return { name: `cap/${of ?? '*'}/${action ?? '*'}/${per}/${period}`, max, untilMs: (period + 1) * lengthMs };
    });

/** What is held out at all is on trial; how many may be at once is the controls' business, as the action proves itself. */
const trialOf = (catalog: Catalog, controls: Control, decision: Decision, { actionId, heldOut }: WantedMessage, nowMs: number) => {
  const { holdouts = [], scored, chosen } = decision;
  const place = heldOut ? decision.heldOut! : scored.indexOf(chosen[0]!.index);
  const holdoutShare = holdouts[place] ?? 0;
  if (holdoutShare <= 0) return null;
  const { ramp, windowMs } = catalog.backfire;
  const told = controls.holdouts.find((one) => one.actionId === actionId);
  const max = told === undefined ? ramp : told.ramp;
  return { holdoutShare, ramp: max === null ? null : { name: `ramp/${actionId}`, max, untilMs: nowMs + windowMs } };
};
