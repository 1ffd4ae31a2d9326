/** What is on its way to the customer: outreach that is planned, messages that were let out, trials of what contacting does (docs/decisions/0032). */
import { DAY_MS, hash32, MINUTE_MS } from '#contracts';
import type { Communication, CommunicationState, Contact, DecisionId } from '#contracts';
import { addContact, takeBackContact } from './customer-state.ts';
import type { CustomerState } from './customer-state.ts';

/** Beyond as many the one that is due last is dropped. */
export const MAX_PLANNED = 8;
/** Beyond as many nothing more is let out. */
export const MAX_MESSAGES = 16;
export const MAX_TRIALS = 8;
/** Segments of a project, hence runs that a customer remembers. */
export const MAX_SEGMENTS = 32;
/** No run lasts longer. */
const RUN_KEPT_MS = 60 * DAY_MS;
/** Beyond as many the oldest is told of no more. */
export const MAX_RECENT = 5;

/** A decision to be made later: after a trigger's delay, when quiet hours end, when a snooze is over. */
export interface Planned {
  /** trigger:<id>, snooze, or the cause of what was deferred. */
  readonly cause: string;
  /** The first decision of the chain; null: none was made yet. */
  readonly rootId: DecisionId | null;
  /** Empty: to be chosen. */
  readonly channel: string;
  /** As in the decision's `scope`. */
  readonly scope: string;
  /** The context as JSON text. */
  readonly context: string;
  readonly dueMs: number;
  /** Past it nothing is decided any more. */
  readonly expiresAtMs: number;
}

/** A message that the gate let out, until its fate is known: its contact is counted already. */
export interface OpenMessage {
  readonly decisionId: DecisionId;
  readonly actionId: string;
  readonly channel: string;
  /** When it was counted; whole minutes, as contacts have them. */
  readonly atMs: number;
  /** Past it nothing is expected of it any more. */
  readonly endMs: number;
}

/** Whether contacting makes the customer come to us: one customer, one action, one window. */
export interface Trial {
  readonly decisionId: DecisionId;
  readonly actionId: string;
  readonly channel: string;
  readonly arm: 'contacted' | 'heldOut';
  /** With what probability it was held out, once it was chosen. */
  readonly holdoutShare: number;
  readonly endMs: number;
  inboundContacts: number;
}

/** The last run of a segment in which it was this customer's turn. */
export interface SegmentRun {
  /** hash32 of the segment's id. */
  readonly segment: number;
  /** Names the run. */
  readonly runAtMs: number;
}

/** A message that was let out, with what has become of it. */
export interface RecentMessage {
  readonly decisionId: DecisionId;
  readonly actionId: string;
  readonly treatmentId: string;
  readonly channel: string;
  /** Who wanted it: api, trigger:<id>, segment:<id>, snooze, tmf681. */
  readonly cause: string;
  readonly state: CommunicationState;
  /** Why it is in this state; null: nothing was said. */
  readonly reasonCode: string | null;
  /** When it was let out. */
  readonly atMs: number;
  /** Past it nobody is told of it any more. */
  readonly endMs: number;
}

export interface Outreach {
  /** By due time. */
  readonly planned: Planned[];
  /** Oldest first. */
  readonly messages: OpenMessage[];
  /** By end. */
  readonly trials: Trial[];
  readonly runs: SegmentRun[];
  /** Newest first. */
  readonly recent: RecentMessage[];
}

/** False: it was this customer's turn in this run, or in a later one, before; then nothing changes. */
export const takeTurn = (state: CustomerState, segmentId: string, runAtMs: number): boolean => {
  if (hadTurn(state, segmentId, runAtMs)) return false;
  const { runs } = state.outreach;
  const segment = hash32(segmentId);
  const place = runs.findIndex((run) => run.segment === segment);
  if (place >= 0) runs.splice(place, 1);
  runs.push({ segment, runAtMs });
  runs.sort((a, b) => a.runAtMs - b.runAtMs || a.segment - b.segment);
  while (runs.length > MAX_SEGMENTS || runs[0]!.runAtMs < runAtMs - RUN_KEPT_MS) runs.shift();
  return true;
};

export const hadTurn = (state: CustomerState, segmentId: string, runAtMs: number): boolean => {
  if (!state.hasOutreach) return false;
  const segment = hash32(segmentId);
  return state.outreach.runs.some((run) => run.segment === segment && run.runAtMs >= runAtMs);
};

/** Returns what had to give way, or the plan itself when it is the last of too many; null: there was room. */
export const plan = (state: CustomerState, planned: Planned): Planned | null => {
  const all = state.outreach.planned;
  all.push(planned);
  all.sort((a, b) => a.dueMs - b.dueMs || (a.cause < b.cause ? -1 : a.cause > b.cause ? 1 : 0));
  return all.length > MAX_PLANNED ? all.pop()! : null;
};

/** Takes out what is due at or before `nowMs`. */
export const takeDue = (state: CustomerState, nowMs: number): readonly Planned[] => {
  if (!state.hasOutreach) return [];
  const { planned } = state.outreach;
  const due = planned.findIndex(({ dueMs }) => dueMs > nowMs);
  return planned.splice(0, due < 0 ? planned.length : due);
};

/** Takes out every plan of this cause that has not been decided on yet: what a debounce puts off. */
export const unplan = (state: CustomerState, cause: string): readonly Planned[] => {
  if (!state.hasOutreach) return [];
  const { planned } = state.outreach;
  const gone = planned.filter((other) => other.cause === cause && other.rootId === null);
  for (const one of gone) planned.splice(planned.indexOf(one), 1);
  return gone;
};

/** Takes out what goes on with this chain of decisions. Returns whether there was anything. */
export const unplanChain = (state: CustomerState, rootId: DecisionId): boolean => {
  if (!state.hasOutreach) return false;
  const { planned } = state.outreach;
  const place = planned.findIndex((one) => one.rootId === rootId);
  if (place >= 0) planned.splice(place, 1);
  return place >= 0;
};

/** Counts the contact, and remembers for what. False: too many are open, or it was let out before; then nothing changes. */
export const letOut = (state: CustomerState, message: OpenMessage): boolean => {
  const { messages } = state.outreach;
  if (messages.length >= MAX_MESSAGES || messages.some(({ decisionId }) => decisionId === message.decisionId)) return false;
  // A state keeps minutes: up to the next one, or the contact would leave a limit's window before its time.
  const entry = { ...message, atMs: Math.ceil(message.atMs / MINUTE_MS) * MINUTE_MS };
  messages.push(entry);
  addContact(state, contactOf(entry));
  return true;
};

export const isLetOut = (state: CustomerState, decisionId: DecisionId): boolean =>
  state.hasOutreach && state.outreach.messages.some((message) => message.decisionId === decisionId);

/** @param reached false gives the contact back. Returns whether it was open. */
export const closeMessage = (state: CustomerState, decisionId: DecisionId, reached: boolean): boolean => {
  if (!state.hasOutreach) return false;
  const { messages } = state.outreach;
  const place = messages.findIndex((message) => message.decisionId === decisionId);
  if (place < 0) return false;
  const [message] = messages.splice(place, 1);
  if (!reached) takeBackContact(state, contactOf(message!));
  return true;
};

const contactOf = ({ atMs, channel, actionId }: OpenMessage): Contact => ({ atMs, channel, direction: 'outbound', actionId });

/** False: the action is on trial with this customer already, or too many are; one unit per customer and window. */
export const openTrial = (state: CustomerState, trial: Trial): boolean => {
  const { trials } = state.outreach;
  if (trials.length >= MAX_TRIALS || trials.some(({ actionId }) => actionId === trial.actionId)) return false;
  trials.push(trial);
  trials.sort((a, b) => a.endMs - b.endMs || (a.decisionId < b.decisionId ? -1 : 1));
  return true;
};

/** Who answers the customer is told of it until `endMs`. */
export const addRecent = (state: CustomerState, message: RecentMessage): void => {
  const { recent } = state.outreach;
  if (recent.some(({ decisionId }) => decisionId === message.decisionId)) return;
  recent.push({ ...message, reasonCode: shortReason(message.reasonCode) });
  recent.sort((a, b) => b.atMs - a.atMs || (a.decisionId < b.decisionId ? 1 : -1));
  recent.splice(MAX_RECENT);
};

/** What has become of it; an earlier step that comes after a later one changes nothing. Returns whether anything changed. */
export const updateRecent = (
  state: CustomerState,
  decisionId: DecisionId,
  { state: step, reasonCode }: Pick<Communication, 'state' | 'reasonCode'>,
): boolean => {
  if (!state.hasOutreach) return false;
  const { recent } = state.outreach;
  const place = recent.findIndex((message) => message.decisionId === decisionId);
  if (place < 0 || !follows(recent[place]!.state, step)) return false;
  recent[place] = { ...recent[place]!, state: step, reasonCode: shortReason(reasonCode) };
  return true;
};

/** `delivered` is the last word; of the others a peer may correct itself. */
const follows = (before: RecentMessage['state'], after: RecentMessage['state']): boolean =>
  before !== after && before !== 'delivered' && rankOf(after) >= rankOf(before);
const rankOf = (step: RecentMessage['state']): number => (step === 'queued' ? 0 : step === 'sent' ? 1 : 2);

const LONGEST_REASON = 60;
const shortReason = (reasonCode: string | null): string | null =>
  reasonCode === null ? null : reasonCode.slice(0, LONGEST_REASON) || null;

export const forgetRecent = (state: CustomerState, nowMs: number): void => {
  if (!state.hasOutreach) return;
  const { recent } = state.outreach;
  for (let i = recent.length - 1; i >= 0; i--) if (recent[i]!.endMs <= nowMs) recent.splice(i, 1);
};

/** The customer came to us: every open trial that began before counts it. */
export const countInbound = (state: CustomerState, atMs: number): void => {
  if (!state.hasOutreach) return;
  for (const trial of state.outreach.trials) if (atMs < trial.endMs) trial.inboundContacts++;
};

/** Takes out the trials that have ended at `nowMs`. */
export const closeTrials = (state: CustomerState, nowMs: number): readonly Trial[] => {
  if (!state.hasOutreach) return [];
  const { trials } = state.outreach;
  const open = trials.findIndex(({ endMs }) => endMs > nowMs);
  return trials.splice(0, open < 0 ? trials.length : open);
};

/** When any of it wants attention; null: never. */
export const nextOfOutreach = (state: CustomerState): number | null => {
  if (!state.hasOutreach) return null;
  const { planned, messages, trials, recent } = state.outreach;
  let next: number | null = null;
  for (const atMs of [planned[0]?.dueMs, trials[0]?.endMs, ...messages.map(({ endMs }) => endMs), ...recent.map(({ endMs }) => endMs)])
    if (atMs !== undefined && (next === null || atMs < next)) next = atMs;
  return next;
};

/** Takes out the messages of which nothing is expected any more; they stay contacts. */
export const forgetMessages = (state: CustomerState, nowMs: number): void => {
  if (!state.hasOutreach) return;
  const { messages } = state.outreach;
  for (let i = messages.length - 1; i >= 0; i--) if (messages[i]!.endMs <= nowMs) messages.splice(i, 1);
};
