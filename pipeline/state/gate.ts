/** The one gate for every message (law 8): it stands where an outbound decision meets its customer, whoever made the decision. */
import { DAY_MS, UNSAID, customerKeyToBytes, decisionIdFromBytes } from '#contracts';
import type { Communication, Decision, DecisionId } from '#contracts';
import { addRecent, letOut, openTrial, rememberId } from '#feature-store';
import type { RecentMessage } from '#feature-store';
import type { CustomerWork } from './customer-work.ts';
import type { GateVerdict, OutreachDesk, Reservation, WantedMessage } from './outreach-desk.ts';
import { planOutreach, viewOf } from './reach-out.ts';

/** What the ring of identities keeps of a decision that was judged. */
export const identityOfVerdict = (decisionId: DecisionId): string => `verdict:${decisionId}`;

/** True: the decision goes on as one whose message is on its way. */
export const passGate = (work: CustomerWork, desk: OutreachDesk, decision: Decision): boolean => {
  const { nowMs } = work;
  const wanted = desk.wanted(decision);
  if (wanted === null) return true;
  const verdict = desk.judge({ decision, wanted, view: viewOf(work), refused: work.refused, nowMs });
  const decisionId = decisionIdFromBytes(decision.decisionId);
  const said = carryOut(work, { decision, decisionId, wanted }, verdict, nowMs);
  rememberId(work.state, identityOfVerdict(decisionId), nowMs);
  work.communications.push(said);
  work.timerMoves = true;
  return said.state === 'queued';
};

interface Judged {
  readonly decision: Decision;
  readonly decisionId: DecisionId;
  readonly wanted: WantedMessage;
}

const carryOut = (work: CustomerWork, judged: Judged, verdict: GateVerdict, nowMs: number): Communication => {
  const step = stepOf(judged, work.key, nowMs);
  switch (verdict.kind) {
    case 'deny':
      return { ...step, state: 'denied', reasonCode: verdict.reasonCode };
    case 'defer':
      return defer(work, judged, step, verdict);
    case 'allow':
      return judged.wanted.heldOut ? holdOut(work, judged, step, verdict) : send(work, judged, step, verdict);
  }
};

const stepOf = ({ decision, wanted }: Judged, key: CustomerWork['key'], nowMs: number): Communication => ({
  ...UNSAID,
  communicationId: messageOf(decision),
  decisionId: decision.decisionId,
  customerKey: customerKeyToBytes(key),
  channel: decision.channel,
  actionId: wanted.actionId,
  treatmentId: wanted.treatmentId,
  cause: decision.cause === undefined || decision.cause === '' ? 'api' : decision.cause,
  state: 'denied',
  at: nowMs,
});

/** What TMF681 asked for is one message, however often it is decided. */
const messageOf = ({ cause, decisionId, rootId }: Decision): Buffer => (cause === 'tmf681' ? (rootId ?? decisionId) : decisionId);

type Deferral = Extract<GateVerdict, { readonly kind: 'defer' }>;
type Allowance = Extract<GateVerdict, { readonly kind: 'allow' }>;

/** Decided again when its time comes, not merely checked again: the customer is another one by then. */
const defer = (work: CustomerWork, { decision, decisionId }: Judged, step: Communication, verdict: Deferral): Communication => {
  const { untilMs, expiresAtMs, reasonCode } = verdict;
  const { scope = '', context, rootId = null } = decision;
  const channel = isOpen(step.cause) ? '' : decision.channel;
  planOutreach(work, {
    cause: step.cause,
    rootId: rootId === null ? decisionId : decisionIdFromBytes(rootId),
    channel,
    scope,
    context,
    dueMs: untilMs,
    expiresAtMs,
  });
  const request = JSON.stringify({ channel, scope, context });
  return { ...step, state: 'deferred', reasonCode, until: untilMs, expiresAt: expiresAtMs, request };
};

/** Whoever asked by the API or TMF681 named the channel; the others leave it to the customer. */
const isOpen = (cause: string): boolean => cause !== 'api' && cause !== 'tmf681';

const send = (work: CustomerWork, judged: Judged, step: Communication, verdict: Allowance): Communication => {
  const { decision, decisionId, wanted } = judged;
  const { address, content, language, expiresAtMs, reservations } = verdict;
  const message = { decisionId, actionId: wanted.actionId, channel: decision.channel, atMs: step.at, endMs: expiresAtMs + KEPT_MS };
  if (!letOut(work.state, message)) return { ...step, state: 'denied', reasonCode: TOO_MANY };
  for (const reservation of reservations) reserve(work, decisionId, reservation);
  addRecent(work.state, recentOf(decisionId, { ...step, state: 'queued' }, work.rules.trialWindowMs));
  return {
    ...step,
    ...tryOn(work, judged, verdict, 'contacted', step.at),
    state: 'queued',
    address,
    content: content === null ? null : JSON.stringify(content),
    language,
    expiresAt: expiresAtMs,
  };
};

/** @param windowMs how long a contact counts as the reason why the customer comes to us */
export const recentOf = (
  decisionId: DecisionId,
  { actionId, treatmentId, channel, cause, state, reasonCode, at }: Communication,
  windowMs: number,
): RecentMessage => ({ decisionId, actionId, treatmentId, channel, cause, state, reasonCode, atMs: at, endMs: at + windowMs });

/** It passed the same gate as those who are contacted: like is compared with like. */
const holdOut = (work: CustomerWork, judged: Judged, step: Communication, verdict: Allowance): Communication => ({
  ...step,
  ...tryOn(work, judged, verdict, 'heldOut', step.at),
  state: 'heldOut',
});

const tryOn = (
  work: CustomerWork,
  { decision, decisionId, wanted }: Judged,
  { trial }: Allowance,
  arm: 'contacted' | 'heldOut',
  nowMs: number,
): Pick<Communication, 'arm' | 'until' | 'holdoutShare'> => {
  const endMs = nowMs + work.rules.trialWindowMs;
  const holdoutShare = trial?.holdoutShare ?? 0;
  const unit = { decisionId, actionId: wanted.actionId, channel: decision.channel, arm, holdoutShare, endMs, inboundContacts: 0 };
  if (trial === null || !openTrial(work.state, unit)) return { arm: '', until: null, holdoutShare: 0 };
  // Both arms, so that a full ramp holds up both alike.
  if (trial.ramp !== null) reserve(work, decisionId, trial.ramp);
  return { arm, until: endMs, holdoutShare };
};

const reserve = (work: CustomerWork, holder: DecisionId, reservation: Reservation): void => {
  work.reservations.push({ ...reservation, holder });
};

const TOO_MANY = 'open-messages';
/** A bounce may come this long after a message expired. */
export const KEPT_MS = 3 * DAY_MS;
