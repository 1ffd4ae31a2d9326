/** The state's binary form: position vector, version, fingerprint of the definitions, timer, then the sections. */
import { AttuneError } from '#contracts';
import { featureSetByFingerprint, type FeatureSet } from '../definitions/feature-set.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { CustomerState } from './customer-state.ts';
import { oldestUnitAt } from './identity-ring.ts';
import { migrateState } from './migrate-state.ts';
import { positionPrefixOf, positionsOf } from './position.ts';
import * as sections from './sections.ts';

const VERSION = 1;
const SECTIONS = ['attributes', 'registers', 'contacts', 'pairs', 'pending', 'ring'] as const;
type Section = (typeof SECTIONS)[number];
const head = new ByteWriter(128);
const body = new ByteWriter();

/**
 * The bytes stay shared with the state until it is encoded. A state that was written with other definitions is brought to
 * `featureSet`: equal features keep their registers, unknown ones are skipped, new ones are empty.
 * Throws `feature-set.unknown` (load it and try again), `state.corrupt`, `state.version`.
 */
export const decodeState = (bytes: Buffer, featureSet: FeatureSet): CustomerState => {
  const written = featureSetByFingerprint(featureSet, fingerprintOf(bytes));
  const state = readState(bytes, written);
  return written.fingerprint === featureSet.fingerprint ? state : migrateState(state, featureSet);
};

/** 16 hex digits. */
export const fingerprintOf = (bytes: Buffer): string => {
  const at = positionPrefixOf(bytes)!.length;
  if (bytes[at] !== VERSION) throw new AttuneError('state.version', `a stored state has version ${bytes[at]}; this build reads ${VERSION}`);
  return bytes.toString('hex', at + 1, at + 9);
};

/** @param set the very set that wrote the bytes */
export const readState = (bytes: Buffer, set: FeatureSet): CustomerState => {
  const stored: CustomerState['stored'] = {};
  const reader = new ByteReader(bytes, positionPrefixOf(bytes)!.length + 9);
  const timer = reader.u48();
  const sizes = SECTIONS.map(() => reader.varint());
  SECTIONS.forEach((section, i) => {
    if (sizes[i]! > 0) stored[section] = reader.bytes(sizes[i]!);
  });
  const state = new CustomerState(set, stored);
  const { epoch, positions } = positionsOf(bytes);
  state.epoch = epoch;
  state.positions = positions;
  state.nextTimerMs = timer === 0 ? null : timer;
  return state;
};

/** @param nowMs input ids seen more than 24 h before it are dropped */
export const encodeState = (state: CustomerState, nowMs: number): Buffer => {
  body.reset();
  const sizes = SECTIONS.map((section) => {
    const from = body.at;
    writeSection(state, section, nowMs);
    return body.at - from;
  });
  head.reset();
  head.u32(state.epoch);
  head.u8(state.positions.length);
  for (const offset of state.positions) head.u48(offset + 1);
  head.u8(VERSION);
  head.bytes(fingerprintBytes(state.featureSet));
  head.u48(state.nextTimerMs ?? 0);
  for (const size of sizes) head.varint(size);
  const out = Buffer.allocUnsafeSlow(head.at + body.at);
  head.buffer.copy(out, 0, 0, head.at);
  body.buffer.copy(out, head.at, 0, body.at);
  return out;
};

const writeSection = (state: CustomerState, section: Section, nowMs: number): void => {
  const untouched = state.stored[section];
  if (untouched !== undefined && section !== 'ring') return body.bytes(untouched);
  const set = state.featureSet;
  switch (section) {
    case 'attributes':
      return sections.writeAttributes(body, state.attributes, set);
    case 'registers':
      return sections.writeRegisters(body, state.registers, set);
    case 'contacts':
      return sections.writeContacts(body, state.contacts, set);
    case 'pairs':
      return sections.writePairs(body, state.pairs, set);
    case 'pending':
      return sections.writePending(body, state.pending, set);
    case 'ring':
      return sections.writeRing(body, state.ring, oldestUnitAt(nowMs));
  }
};

const fingerprints = new WeakMap<FeatureSet, Buffer>();
const fingerprintBytes = (set: FeatureSet): Buffer => {
  let bytes = fingerprints.get(set);
  if (bytes === undefined) {
    bytes = Buffer.from(set.fingerprint, 'hex');
    fingerprints.set(set, bytes);
  }
  return bytes;
};
