/** The section of what is on its way to the customer: lists, each with its length first, the last ones only where they have something; most states have none. */
import { COMMUNICATION_STATES, decisionIdFromBytes, decisionIdToBytes, MINUTE_MS } from '#contracts';
import type { DecisionId } from '#contracts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import type { OpenMessage, Outreach, Planned, RecentMessage, SegmentRun, Trial } from './outreach.ts';

export const readOutreach = (reader: ByteReader): Outreach => {
  if (reader.done) return { planned: [], messages: [], trials: [], runs: [], recent: [] };
  return {
    planned: readList(reader, readPlanned),
    messages: readList(reader, readMessage),
    trials: readList(reader, readTrial),
    runs: reader.done ? [] : readList(reader, readRun),
    recent: reader.done ? [] : readList(reader, readRecent),
  };
};

export const writeOutreach = (writer: ByteWriter, { planned, messages, trials, runs, recent }: Outreach): void => {
  if (planned.length + messages.length + trials.length + runs.length + recent.length === 0) return;
  writeList(writer, planned, writePlanned);
  writeList(writer, messages, writeMessage);
  writeList(writer, trials, writeTrial);
  if (runs.length + recent.length > 0) writeList(writer, runs, writeRun);
  if (recent.length > 0) writeList(writer, recent, writeRecent);
};

const readList = <T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] => {
  const list = new Array<T>(reader.varint());
  for (let i = 0; i < list.length; i++) list[i] = read(reader);
  return list;
};

const writeList = <T>(writer: ByteWriter, list: readonly T[], write: (writer: ByteWriter, item: T) => void): void => {
  writer.varint(list.length);
  for (const item of list) write(writer, item);
};

const readId = (reader: ByteReader): DecisionId => decisionIdFromBytes(reader.bytes(16));
const writeId = (writer: ByteWriter, id: DecisionId): void => writer.bytes(decisionIdToBytes(id));

const readPlanned = (reader: ByteReader): Planned => {
  const rootId = reader.u8() === 1 ? readId(reader) : null;
  const [cause, channel, scope, context] = [reader.text(), reader.text(), reader.text(), reader.text()];
  const dueMs = reader.u48();
  return { cause, rootId, channel, scope, context, dueMs, expiresAtMs: dueMs + reader.signed() };
};

const writePlanned = (writer: ByteWriter, planned: Planned): void => {
  writer.u8(planned.rootId === null ? 0 : 1);
  if (planned.rootId !== null) writeId(writer, planned.rootId);
  for (const text of [planned.cause, planned.channel, planned.scope, planned.context]) writer.text(text);
  writer.u48(planned.dueMs);
  writer.signed(planned.expiresAtMs - planned.dueMs);
};

const readMessage = (reader: ByteReader): OpenMessage => {
  const [decisionId, actionId, channel] = [readId(reader), reader.text(), reader.text()];
  const atMs = reader.u32() * MINUTE_MS;
  return { decisionId, actionId, channel, atMs, endMs: atMs + reader.signed() };
};

const writeMessage = (writer: ByteWriter, message: OpenMessage): void => {
  writeId(writer, message.decisionId);
  writer.text(message.actionId);
  writer.text(message.channel);
  writer.u32(message.atMs / MINUTE_MS);
  writer.signed(message.endMs - message.atMs);
};

const readTrial = (reader: ByteReader): Trial => {
  const [decisionId, actionId, channel] = [readId(reader), reader.text(), reader.text()];
  return {
    decisionId,
    actionId,
    channel,
    arm: reader.u8() === 1 ? 'heldOut' : 'contacted',
    holdoutShare: reader.f32(),
    endMs: reader.u48(),
    inboundContacts: reader.varint(),
  };
};

const writeTrial = (writer: ByteWriter, trial: Trial): void => {
  writeId(writer, trial.decisionId);
  writer.text(trial.actionId);
  writer.text(trial.channel);
  writer.u8(trial.arm === 'heldOut' ? 1 : 0);
  writer.f32(trial.holdoutShare);
  writer.u48(trial.endMs);
  writer.varint(trial.inboundContacts);
};

const readRun = (reader: ByteReader): SegmentRun => ({ segment: reader.u32(), runAtMs: reader.u48() });

const writeRun = (writer: ByteWriter, run: SegmentRun): void => {
  writer.u32(run.segment);
  writer.u48(run.runAtMs);
};

const readRecent = (reader: ByteReader): RecentMessage => {
  const decisionId = readId(reader);
  const [actionId, treatmentId, channel, cause, reason] = [reader.text(), reader.text(), reader.text(), reader.text(), reader.text()];
  const state = COMMUNICATION_STATES[reader.u8()]!;
  const atMs = reader.u48();
  const endMs = atMs + reader.signed();
  return { decisionId, actionId, treatmentId, channel, cause, state, reasonCode: reason === '' ? null : reason, atMs, endMs };
};

const writeRecent = (writer: ByteWriter, message: RecentMessage): void => {
  writeId(writer, message.decisionId);
  const { actionId, treatmentId, channel, cause, reasonCode } = message;
  for (const text of [actionId, treatmentId, channel, cause, reasonCode ?? '']) writer.text(text);
  writer.u8(COMMUNICATION_STATES.indexOf(message.state));
  writer.u48(message.atMs);
  writer.signed(message.endMs - message.atMs);
};
