/** What is wanted becomes an outbound decision: planned by a trigger, a deferral or a snooze, and made when it is due. */
import { UNSAID, createDecisionId, customerKeyToBytes, decisionIdToBytes, hash32 } from '#contracts';
import type { CustomerView, DecisionId } from '#contracts';
import { encodeState, plan, unplan, viewOfState } from '#feature-store';
import type { Planned } from '#feature-store';
import type { CustomerWork, Source } from './customer-work.ts';
import type { TriggeringEvent } from './outreach-desk.ts';

/**
 * The triggers that an event pulls; those without delay are decided on at once.
 * @param takenAtMs when the log took the event
 */
export const pullTriggers = (work: CustomerWork, event: TriggeringEvent, source: Source, takenAtMs: number): void => {
  for (const { debounces, ...wanted } of work.rules.pulled(event, () => viewOf(work))) {
    if (debounces) unplan(work.state, wanted.cause);
    const planned: Planned = { ...wanted, rootId: null };
    if (planned.dueMs <= event.receivedAt) reachOut(work, planned, source, takenAtMs);
    else planOutreach(work, planned);
  }
};

export const planOutreach = (work: CustomerWork, planned: Planned): void => {
  const gone = plan(work.state, planned);
  if (gone !== null) giveUp(work, gone, 'too-many-planned');
  work.timerMoves = true;
};

/** Whoever asked by TMF681 looks at what becomes of it. */
const giveUp = (work: CustomerWork, { cause, rootId, channel }: Planned, reasonCode: string): void => {
  work.outreachDropped++;
  if (work.desk === null || cause !== 'tmf681' || rootId === null) return;
  const id = decisionIdToBytes(rootId);
  work.communications.push({
    ...UNSAID,
    communicationId: id,
    decisionId: id,
    customerKey: customerKeyToBytes(work.key),
    channel,
    treatmentId: '',
    cause,
    state: 'expired',
    reasonCode,
    at: work.nowMs,
  });
};

/**
 * Nothing is emitted in a rebuild: what was decided then is in the log.
 * @param takenAtMs when the log took what causes it
 */
export const reachOut = (work: CustomerWork, planned: Planned, source: Source, takenAtMs: number): void => {
  const { desk, nowMs } = work;
  if (desk === null) return;
  if (planned.expiresAtMs <= nowMs) return giveUp(work, planned, 'too-late');
  const decisionId = idOf(work, source, takenAtMs);
  const reached = desk.decide({ planned, decisionId, key: work.key, state: encodeState(work.state, nowMs), nowMs });
  if (reached.kind === 'decided') work.decisions.push(reached.decision);
  else if (reached.kind === 'later') planOutreach(work, { ...planned, dueMs: reached.untilMs });
  else giveUp(work, planned, 'nothing-to-send');
};

/** Of the place and time of its cause, so that folding again, here or elsewhere, makes the same one: it counts once. */
const idOf = (work: CustomerWork, source: Source, takenAtMs: number): DecisionId => {
  const place = `${work.key}:${source.topic}:${source.partition}:${source.offset}:${source.index++}`;
  return createDecisionId({ atMs: takenAtMs, shard: work.shard, entropy: [hash32(place, 0x0d), hash32(place, 0x0e)] });
};

export const viewOf = ({ state, key, facts, nowMs }: CustomerWork): CustomerView =>
  viewOfState(encodeState(state, nowMs), { customerKey: key, featureSet: facts.featureSet, nowMs });
