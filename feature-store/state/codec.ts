/** The state's binary form: position vector, version, fingerprint of the definitions, timer, then the sections. */
import { AttuneError } from '#contracts';
import { featureSetByFingerprint, type FeatureSet } from '../definitions/feature-set.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { CustomerState, SECTIONS, type Section } from './customer-state.ts';
import { oldestUnitAt } from './identity-ring.ts';
import { migrateState } from './migrate-state.ts';
import { hasVarints, lengthOfPosition, positionsOf, writePosition } from './position.ts';

/** By the last section that holds something: without marks and outreach a state has the bytes that it had before there were any. */
const VERSION = 1;
const VERSION_WITH_MARKS = 2;
const VERSION_WITH_OUTREACH = 3;
const sectionsOf = (version: number): number => SECTIONS.length - (VERSION_WITH_OUTREACH - version);
const versionOf = (state: CustomerState): number => {
  if (state.hasOutreach) return VERSION_WITH_OUTREACH;
  return state.hasMarks ? VERSION_WITH_MARKS : VERSION;
};
const head = new ByteWriter(128);
const body = new ByteWriter();

/**
 * The bytes stay shared with the state, and must not change. A state that was written with other definitions is brought to
 * `featureSet`: equal features keep their registers, unknown ones are skipped, new ones are empty.
 * Throws `feature-set.unknown` (load it and try again), `state.corrupt`, `state.version`.
 */
export const decodeState = (bytes: Buffer, featureSet: FeatureSet): CustomerState => {
  if (isWrittenWith(bytes, featureSet)) return readState(bytes, featureSet);
  return migrateState(readState(bytes, featureSetByFingerprint(featureSet, fingerprintOf(bytes))), featureSet);
};

/** 16 hex digits. */
export const fingerprintOf = (bytes: Buffer): string => {
  const at = versionAt(bytes);
  return bytes.toString('hex', at + 1, at + 9);
};

/** The one timer of a stored state, ms since 1970 UTC, without reading the rest; null: none. */
export const timerOf = (bytes: Buffer): number | null => readTimer(bytes, new ByteReader(bytes, versionAt(bytes) + 9));

const readTimer = (bytes: Buffer, reader: ByteReader): number | null => (hasVarints(bytes) ? reader.varint() : reader.u48()) || null;

/** @param set the very set that wrote the bytes */
export const readState = (bytes: Buffer, set: FeatureSet): CustomerState => {
  const { epoch, positions } = positionsOf(bytes);
  const at = versionAt(bytes);
  const count = sectionsOf(bytes[at]!);
  const reader = new ByteReader(bytes, at + 9);
  const timer = readTimer(bytes, reader);
  const bounds = new Array<number>(SECTIONS.length + 1);
  for (let i = 0; i < SECTIONS.length; i++) bounds[i + 1] = i < count ? reader.varint() : 0;
  bounds[0] = reader.at;
  for (let i = 0; i < SECTIONS.length; i++) bounds[i + 1] = bounds[i]! + bounds[i + 1]!;
  if (bounds.at(-1) !== bytes.length)
    throw new AttuneError('state.corrupt', `a stored state has ${bytes.length} bytes; its head says ${bounds.at(-1)}`);
  const state = new CustomerState(set, positions, bytes, bounds);
  state.epoch = epoch;
  state.nextTimerMs = timer;
  return state;
};

/** @param nowMs input ids seen more than 24 h before it are dropped */
export const encodeState = (state: CustomerState, nowMs: number): Buffer => {
  const oldestUnit = oldestUnitAt(nowMs);
  head.reset();
  body.reset();
  writePosition(head, state.epoch, state.positions);
  const version = versionOf(state);
  head.u8(version);
  head.bytes(state.featureSet.fingerprintBytes);
  head.varint(state.nextTimerMs ?? 0);
  for (let section = 0; section < sectionsOf(version); section++) {
    const from = body.at;
    state.write(section as Section, body, oldestUnit);
    head.varint(body.at - from);
  }
  const out = Buffer.allocUnsafe(head.at + body.at);
  head.buffer.copy(out, 0, 0, head.at);
  body.buffer.copy(out, head.at, 0, body.at);
  return out;
};

const versionAt = (bytes: Buffer): number => {
  const at = lengthOfPosition(bytes);
  const version = bytes[at]!;
  if (version < VERSION || version > VERSION_WITH_OUTREACH)
    throw new AttuneError(
      'state.version',
      `a stored state has version ${version}; this build reads ${VERSION} to ${VERSION_WITH_OUTREACH}`,
    );
  return at;
};

export const isWrittenWith = (bytes: Buffer, set: FeatureSet): boolean => {
  const at = versionAt(bytes) + 1;
  for (let i = 0; i < 8; i++) if (bytes[at + i] !== set.fingerprintBytes[i]) return false;
  return true;
};
