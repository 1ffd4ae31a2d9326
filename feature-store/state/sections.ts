/** The sections of a stored state, each self-contained, so that those which nobody touched are copied as they are. */
import {
  decisionIdFromBytes,
  decisionIdToBytes,
  hash32,
  MINUTE_MS,
  timeOfDecision,
  type AttributeValue,
  type Contact,
  type PairCounters,
} from '#contracts';
import type { CompiledFeature, FeatureSet } from '../definitions/feature-set.ts';
import { ByteReader, type ByteWriter } from './bytes.ts';
import type { IdentityRing, PendingDecision, PendingItem, Registers, TimedValue } from './customer-state.ts';

/** Well-known words by their place; append only. A word that is not here is stored as text after byte 0. */
const CHANNELS = ['app', 'web', 'callCenter', 'sms', 'email', 'push', 'store', 'chat', 'letter', 'whatsapp'];
const OUTCOMES = ['impression', 'clicked', 'accepted', 'rejected', 'later', 'converted', 'complaint', 'optOut', 'undelivered', 'none', 'resolved', 'escalated', 'callAvoided'];

const FALSE = 0;
const TRUE = 1;
const KNOWN = 2;
const TEXT = 3;
const NUMBER = 4;

/** Below this a decayed amount is nothing. */
export const NEGLIGIBLE = 1e-6;

export const readAttributes = (bytes: Buffer | undefined, set: FeatureSet): (TimedValue | undefined)[] => {
  const out = new Array<TimedValue | undefined>(set.attributes.length).fill(undefined);
  if (bytes === undefined) return out;
  eachAttribute(bytes, set, (index, value, atMs) => {
    out[index] = { value, atMs };
  });
  return out;
};

/** Layout: times (count, first as 48 bits, others relative), a bit per attribute, then time index x 8 + tag and the value. */
export const eachAttribute = (bytes: Buffer, set: FeatureSet, visit: (index: number, value: AttributeValue, atMs: number) => void): void => {
  const reader = new ByteReader(bytes);
  const times = new Array<number>(reader.varint());
  for (let i = 0; i < times.length; i++) times[i] = i === 0 ? reader.u48() : times[0]! + reader.signed();
  const bits = reader.bytes((set.attributes.length + 7) >> 3);
  for (let i = 0; i < set.attributes.length; i++) {
    if ((bits[i >> 3]! & (1 << (i & 7))) === 0) continue;
    const head = reader.varint();
    const tag = head & 7;
    const value =
      tag === FALSE ? false
      : tag === TRUE ? true
      : tag === KNOWN ? set.attributes[i]!.values[reader.varint()]!
      : tag === TEXT ? reader.text()
      : reader.number()!;
    visit(i, value, times[head >> 3]!);
  }
};

export const writeAttributes = (writer: ByteWriter, attributes: readonly (TimedValue | undefined)[], set: FeatureSet): void => {
  const times = [...new Set(attributes.flatMap((a) => (a === undefined ? [] : [a.atMs])))];
  if (times.length === 0) return;
  writer.varint(times.length);
  times.forEach((atMs, i) => (i === 0 ? writer.u48(atMs) : writer.signed(atMs - times[0]!)));
  const bits = writer.at;
  for (let i = 0; i < (set.attributes.length + 7) >> 3; i++) writer.u8(0);
  attributes.forEach((attribute, i) => {
    if (attribute === undefined) return;
    writer.buffer[bits + (i >> 3)]! |= 1 << (i & 7);
    const at = times.indexOf(attribute.atMs) * 8;
    const { value } = attribute;
    if (typeof value === 'boolean') writer.varint(at + (value ? TRUE : FALSE));
    else if (typeof value === 'number') {
      writer.varint(at + NUMBER);
      writer.number(value);
    } else {
      const known = set.attributes[i]!.values.indexOf(value);
      writer.varint(at + (known >= 0 ? KNOWN : TEXT));
      if (known >= 0) writer.varint(known);
      else writer.text(value);
    }
  });
};

/** Layout: reference time, a bit per feature that holds something, then each one's registers by kind. */
export const readRegisters = (bytes: Buffer | undefined, set: FeatureSet): Registers => {
  const values = set.emptyRegisters.slice();
  if (bytes === undefined) return { refMs: 0, values };
  const reader = new ByteReader(bytes);
  const refMs = reader.u48();
  const bits = reader.bytes((set.features.length + 7) >> 3);
  for (let i = 0; i < set.features.length; i++) {
    if ((bits[i >> 3]! & (1 << (i & 7))) !== 0) readFeature(reader, set.features[i]!, values, refMs);
  }
  return { refMs, values };
};

export const writeRegisters = (writer: ByteWriter, { refMs, values }: Registers, set: FeatureSet): void => {
  if (refMs === 0) return;
  writer.u48(refMs);
  const bits = writer.at;
  for (let i = 0; i < (set.features.length + 7) >> 3; i++) writer.u8(0);
  for (const feature of set.features) {
    if (!holdsSomething(feature, values)) continue;
    writer.buffer[bits + (feature.index >> 3)]! |= 1 << (feature.index & 7);
    writeFeature(writer, feature, values, refMs);
  }
};

const holdsSomething = ({ slot, run, kind, definition: { aggregate } }: CompiledFeature, values: Float64Array): boolean => {
  const first = aggregate === 'mean' ? slot + run : slot;
  for (let i = first; i < first + run; i++) {
    const value = values[i]!;
    if (kind === 'decay' ? Math.abs(value) >= NEGLIGIBLE : value === value && (value !== 0 || keepsZero(aggregate))) return true;
  }
  return false;
};

const keepsZero = (aggregate: string): boolean =>
  aggregate === 'min' || aggregate === 'max' || aggregate === 'last' || aggregate === 'recency';

const readFeature = (reader: ByteReader, feature: CompiledFeature, values: Float64Array, refMs: number): void => {
  const { slot, run } = feature;
  switch (feature.kind) {
    case 'decay':
      for (let i = 0; i < feature.slots; i++) values[slot + i] = reader.f32();
      return;
    case 'recency':
      values[slot] = Math.floor(refMs / MINUTE_MS) - reader.varint();
      return;
    case 'last':
      values[slot] = reader.number()!;
      values[slot + 1] = refMs - reader.varint();
      return;
    case 'ever':
      for (let i = 0; i < feature.slots; i++) values[slot + i] = reader.number()!;
      return;
    case 'window': {
      const mask = reader.u8();
      for (let age = 0; age < run; age++) {
        if ((mask & (1 << age)) === 0) continue;
        const place = bucketPlace(feature, refMs, age);
        values[slot + place] = reader.number()!;
        if (feature.slots > run) values[slot + run + place] = reader.varint();
      }
    }
  }
};

const writeFeature = (writer: ByteWriter, feature: CompiledFeature, values: Float64Array, refMs: number): void => {
  const { slot, run } = feature;
  switch (feature.kind) {
    case 'decay':
      for (let i = 0; i < feature.slots; i++) writer.f32(values[slot + i]!);
      return;
    case 'recency':
      writer.varint(Math.floor(refMs / MINUTE_MS) - values[slot]!);
      return;
    case 'last':
      writer.number(values[slot]!);
      writer.varint(refMs - values[slot + 1]!);
      return;
    case 'ever':
      for (let i = 0; i < feature.slots; i++) writer.number(values[slot + i]!);
      return;
    case 'window': {
      const at = writer.at;
      writer.u8(0);
      const first = feature.slots > run ? slot + run : slot;
      const zero = keepsZero(feature.definition.aggregate);
      for (let age = 0; age < run; age++) {
        const place = bucketPlace(feature, refMs, age);
        const value = values[first + place]!;
        if (value !== value || (value === 0 && !zero)) continue;
        writer.buffer[at]! |= 1 << age;
        writer.number(values[slot + place]!);
        if (feature.slots > run) writer.varint(value);
      }
    }
  }
};

/** Where the bucket that is `age` widths older than the reference time's lies in its run. */
const bucketPlace = ({ widthMs, run }: CompiledFeature, refMs: number, age: number): number => {
  const place = (Math.floor(refMs / widthMs) - age) % run;
  return place < 0 ? place + run : place;
};

export const readContacts = (bytes: Buffer | undefined, set: FeatureSet): Contact[] => {
  if (bytes === undefined) return [];
  const reader = new ByteReader(bytes);
  let minute = reader.u32();
  const out: Contact[] = [];
  while (!reader.done) {
    minute -= reader.varint();
    const head = reader.u8();
    const channel = readWord(reader, CHANNELS, head >> 1);
    out.push({ atMs: minute * MINUTE_MS, channel, direction: (head & 1) === 1 ? 'outbound' : 'inbound', actionId: readAction(reader, set) });
  }
  return out;
};

export const writeContacts = (writer: ByteWriter, contacts: readonly Contact[], set: FeatureSet): void => {
  if (contacts.length === 0) return;
  let minute = contacts[0]!.atMs / MINUTE_MS;
  writer.u32(minute);
  for (const contact of contacts) {
    const at = contact.atMs / MINUTE_MS;
    writer.varint(minute - at);
    minute = at;
    const channel = CHANNELS.indexOf(contact.channel) + 1;
    writer.u8(channel * 2 + (contact.direction === 'outbound' ? 1 : 0));
    if (channel === 0) writer.text(contact.channel);
    writeAction(writer, contact.actionId, set);
  }
};

/** Small counts share a byte (shown below 15, accepted and rejected below 4); 0xff says that three varints follow. */
export const readPairs = (bytes: Buffer | undefined, set: FeatureSet): Map<number, PairCounters> => {
  const out = new Map<number, PairCounters>();
  if (bytes === undefined) return out;
  const reader = new ByteReader(bytes);
  const base = reader.u32();
  while (!reader.done) {
    const index = reader.varint();
    const key = index === 0 ? reader.u32() : hash32(set.definitions.actionIds[index - 1]!);
    const packed = reader.u8();
    const wide = packed === 0xff;
    const shown = wide ? reader.varint() : packed >> 4;
    const accepted = wide ? reader.varint() : (packed >> 2) & 3;
    const rejected = wide ? reader.varint() : packed & 3;
    const lastShownMs = shown > 0 ? (base - reader.varint()) * MINUTE_MS : 0;
    const lastRejectedMs = rejected > 0 ? (base - reader.varint()) * MINUTE_MS : 0;
    out.set(key, { shown, accepted, rejected, lastShownMs, lastRejectedMs });
  }
  return out;
};

export const writePairs = (writer: ByteWriter, pairs: ReadonlyMap<number, PairCounters>, set: FeatureSet): void => {
  if (pairs.size === 0) return;
  let baseMs = 0;
  for (const pair of pairs.values()) baseMs = Math.max(baseMs, pair.lastShownMs, pair.lastRejectedMs);
  const base = baseMs / MINUTE_MS;
  writer.u32(base);
  for (const [key, pair] of pairs) {
    const index = set.actionIndexByHash.get(key);
    writer.varint(index === undefined ? 0 : index + 1);
    if (index === undefined) writer.u32(key);
    const { shown, accepted, rejected } = pair;
    if (shown < 15 && accepted < 4 && rejected < 4) writer.u8((shown << 4) | (accepted << 2) | rejected);
    else {
      writer.u8(0xff);
      writer.varint(shown);
      writer.varint(accepted);
      writer.varint(rejected);
    }
    if (shown > 0) writer.varint(base - pair.lastShownMs / MINUTE_MS);
    if (rejected > 0) writer.varint(base - pair.lastRejectedMs / MINUTE_MS);
  }
};

/** Decisions of one customer share their shard, the last two bytes of the id: it is stored once. */
export const readPending = (bytes: Buffer | undefined, set: FeatureSet): PendingDecision[] => {
  if (bytes === undefined) return [];
  const reader = new ByteReader(bytes);
  const id = Buffer.alloc(16);
  reader.bytes(2).copy(id, 14);
  const out: PendingDecision[] = [];
  while (!reader.done) {
    reader.bytes(14).copy(id, 0);
    const flags = reader.u8();
    if ((flags & 1) === 1) reader.bytes(2).copy(id, 14);
    const decisionId = decisionIdFromBytes(id);
    const decidedAtMs = timeOfDecision(decisionId) + reader.signed();
    const channel = readWord(reader, CHANNELS, reader.u8());
    const loop = reader.text();
    const matureAtMs = decidedAtMs + readDuration(reader);
    const items = new Array<PendingItem>(reader.varint());
    for (let i = 0; i < items.length; i++) items[i] = readItem(reader, set, decidedAtMs);
    out.push({ decisionId, decidedAtMs, channel, direction: (flags & 2) === 2 ? 'outbound' : 'inbound', loop, matureAtMs, items });
  }
  return out;
};

export const writePending = (writer: ByteWriter, pending: readonly PendingDecision[], set: FeatureSet): void => {
  if (pending.length === 0) return;
  const shard = decisionIdToBytes(pending[0]!.decisionId).subarray(14);
  writer.bytes(shard);
  for (const decision of pending) {
    const id = decisionIdToBytes(decision.decisionId);
    const own = shard.equals(id.subarray(14)) ? 0 : 1;
    writer.bytes(id.subarray(0, 14));
    writer.u8(own + (decision.direction === 'outbound' ? 2 : 0));
    if (own === 1) writer.bytes(id.subarray(14));
    writer.signed(decision.decidedAtMs - timeOfDecision(decision.decisionId));
    writeWord(writer, CHANNELS, decision.channel);
    writer.text(decision.loop);
    writeDuration(writer, decision.matureAtMs - decision.decidedAtMs);
    writer.varint(decision.items.length);
    for (const item of decision.items) writeItem(writer, item, set, decision.decidedAtMs);
  }
};

const readItem = (reader: ByteReader, set: FeatureSet, decidedAtMs: number): PendingItem => {
  const head = reader.varint();
  const item: PendingItem = {
    rank: head >> 1,
    shown: (head & 1) === 1,
    actionId: readAction(reader, set),
    value: reader.number() ?? 0,
    revision: reader.varint(),
    target: reader.number(),
    reward: reader.number(),
    outcome: readOutcome(reader),
    outcomeAtMs: 0,
    amount: null,
  };
  if (item.outcome !== null) {
    item.outcomeAtMs = decidedAtMs + reader.signed();
    item.amount = reader.number();
  }
  return item;
};

const readOutcome = (reader: ByteReader): string | null => {
  const head = reader.u8();
  return head === 0xff ? null : readWord(reader, OUTCOMES, head);
};

const writeItem = (writer: ByteWriter, item: PendingItem, set: FeatureSet, decidedAtMs: number): void => {
  writer.varint(item.rank * 2 + (item.shown ? 1 : 0));
  writeAction(writer, item.actionId, set);
  writer.number(item.value);
  writer.varint(item.revision);
  writer.number(item.target);
  writer.number(item.reward);
  if (item.outcome === null) return writer.u8(0xff);
  writeWord(writer, OUTCOMES, item.outcome);
  writer.signed(item.outcomeAtMs - decidedAtMs);
  writer.number(item.amount);
};

/** Whole minutes are the rule: twice the minutes; else twice the milliseconds, plus one. */
const readDuration = (reader: ByteReader): number => {
  const value = reader.varint();
  return value % 2 === 0 ? (value / 2) * MINUTE_MS : (value - 1) / 2;
};

const writeDuration = (writer: ByteWriter, ms: number): void => {
  const duration = Math.max(0, ms);
  writer.varint(duration % MINUTE_MS === 0 ? (duration / MINUTE_MS) * 2 : duration * 2 + 1);
};

/** Layout: the newest unit (ten minutes), then age in units and 5 bytes of hash, oldest first. */
export const readRing = (bytes: Buffer | undefined): IdentityRing => {
  const ring: IdentityRing = { hashes: [], units: [] };
  if (bytes === undefined) return ring;
  const reader = new ByteReader(bytes);
  const base = reader.u32();
  while (!reader.done) {
    ring.units.push(base - reader.u8());
    const high = reader.u8();
    ring.hashes.push(high * 0x100000000 + reader.u32());
  }
  return ring;
};

/** @param oldestUnit entries before it are forgotten */
export const writeRing = (writer: ByteWriter, ring: IdentityRing, oldestUnit: number): void => {
  const first = ring.units.findIndex((unit) => unit >= oldestUnit);
  if (first < 0) return;
  const base = ring.units.at(-1)!;
  writer.u32(base);
  for (let i = first; i < ring.units.length; i++) {
    const hash = ring.hashes[i]!;
    writer.u8(Math.min(255, base - ring.units[i]!));
    writer.u8(Math.floor(hash / 0x100000000));
    writer.u32(hash % 0x100000000);
  }
};

const readWord = (reader: ByteReader, words: readonly string[], place: number): string => (place === 0 ? reader.text() : words[place - 1]!);

const writeWord = (writer: ByteWriter, words: readonly string[], word: string): void => {
  const place = words.indexOf(word) + 1;
  writer.u8(place);
  if (place === 0) writer.text(word);
};

const readAction = (reader: ByteReader, set: FeatureSet): string => {
  const index = reader.varint();
  return index === 0 ? reader.text() : set.definitions.actionIds[index - 1]!;
};

const writeAction = (writer: ByteWriter, actionId: string, set: FeatureSet): void => {
  const index = set.actionIndex.get(actionId);
  writer.varint(index === undefined ? 0 : index + 1);
  if (index === undefined) writer.text(actionId);
};
