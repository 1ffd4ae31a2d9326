/** The sections of a stored state, each self-contained, so that those which nobody touched are copied as they are. */
import {
  decisionIdFromBytes,
  decisionIdToBytes,
  MINUTE_MS,
  timeOfDecision,
  type AttributeValue,
  type Contact,
  type PairCounters,
  STANDARD_OUTCOMES,
} from '#contracts';
import type { CompiledFeature, FeatureSet } from '../definitions/feature-set.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import type { IdentityRing, PendingDecision, PendingItem, Registers, TimedValue } from './customer-state.ts';
import type { SourceMark } from './source-marks.ts';

/** Well-known words by their place; append only, at most 15 channels. A word that is not here is stored as text after byte 0. */
const CHANNELS = ['app', 'web', 'callCenter', 'sms', 'email', 'push', 'store', 'chat', 'letter', 'whatsapp'];
const OUTCOMES: readonly string[] = [
  ...STANDARD_OUTCOMES.slice(0, 9),
  'none',
  'resolved',
  'escalated',
  'callAvoided',
  ...STANDARD_OUTCOMES.slice(9),
];

/** Below this a decayed amount is nothing. */
export const NEGLIGIBLE = 1e-6;

/**
 * Layout: times (count, first as 48 bits, others relative), a bit per attribute that is set, a bit per attribute that another time
 * than the first set, the places of those times, the values (a known text is one byte, 0 before any other), then a bit per boolean.
 */
export const readAttributes = (reader: ByteReader, set: FeatureSet): (TimedValue | undefined)[] => {
  const out = new Array<TimedValue | undefined>(set.attributes.length).fill(undefined);
  if (reader.done) return out;
  const count = reader.varint();
  const times = new Array<number>(count);
  for (let i = 0; i < count; i++) times[i] = i === 0 ? reader.u48() : times[0]! + reader.signed();
  const from = reader.at;
  const places: number[] = [];
  const width = (set.attributes.length + 7) >> 3;
  reader.skip(width);
  if (count > 1) {
    const isLater = reader.skip(width);
    for (let i = 0; i < set.attributes.length; i++) places.push(isOn(reader, isLater, i) ? reader.varint() : 0);
  }
  reader.at = from;
  readValues(reader, set, count, (i, value) => {
    out[i] = { value, atMs: times[places[i] ?? 0]! };
  });
  return out;
};

/** Values alone, by name: what a decision needs of them. */
export const readAttributeValues = (reader: ByteReader, set: FeatureSet): Record<string, AttributeValue> => {
  const out: Record<string, AttributeValue> = {};
  if (reader.done) return out;
  const count = reader.varint();
  reader.skip(6);
  for (let i = 1; i < count; i++) reader.varint();
  readValues(reader, set, count, (i, value) => {
    out[set.attributes[i]!.name] = value;
  });
  return out;
};

/** Visits texts and numbers first, then booleans. @param times how many times the section has */
const readValues = (reader: ByteReader, set: FeatureSet, times: number, visit: (index: number, value: AttributeValue) => void): void => {
  const definitions = set.attributes;
  const width = (definitions.length + 7) >> 3;
  const isSet = reader.skip(width);
  if (times > 1) {
    const isLater = reader.skip(width);
    for (let left = bitsOn(reader, isLater, width); left > 0; left--) reader.varint();
  }
  let booleans = 0;
  for (let i = 0; i < definitions.length; i++) {
    if (!isOn(reader, isSet, i)) continue;
    const { type, values } = definitions[i]!;
    if (type === 'boolean') booleans++;
    else visit(i, type === 'number' ? reader.number()! : values.length === 0 ? reader.text() : readWord(reader, values, reader.u8()));
  }
  if (booleans === 0) return;
  const truths = reader.skip((booleans + 7) >> 3);
  booleans = 0;
  for (let i = 0; i < definitions.length; i++) {
    if (definitions[i]!.type === 'boolean' && isOn(reader, isSet, i)) visit(i, isOn(reader, truths, booleans++));
  }
};

const isOn = ({ buffer }: ByteReader, at: number, bit: number): boolean => (buffer[at + (bit >> 3)]! & (1 << (bit & 7))) !== 0;

const bitsOn = ({ buffer }: ByteReader, at: number, width: number): number => {
  let count = 0;
  for (let i = at; i < at + width; i++) for (let byte = buffer[i]!; byte !== 0; byte &= byte - 1) count++;
  return count;
};

export const writeAttributes = (writer: ByteWriter, attributes: readonly (TimedValue | undefined)[], set: FeatureSet): void => {
  const times: number[] = [];
  for (const attribute of attributes) if (attribute !== undefined && !times.includes(attribute.atMs)) times.push(attribute.atMs);
  if (times.length === 0) return;
  writer.varint(times.length);
  times.forEach((atMs, i) => (i === 0 ? writer.u48(atMs) : writer.signed(atMs - times[0]!)));
  writeBits(writer, attributes, (attribute) => attribute !== undefined);
  if (times.length > 1) {
    const isLater = (attribute: TimedValue | undefined): boolean => attribute !== undefined && attribute.atMs !== times[0];
    writeBits(writer, attributes, isLater);
    for (const attribute of attributes) if (isLater(attribute)) writer.varint(times.indexOf(attribute!.atMs));
  }
  const truths: boolean[] = [];
  attributes.forEach((attribute, i) => {
    if (attribute === undefined) return;
    const { value } = attribute;
    const { values } = set.attributes[i]!;
    if (typeof value === 'boolean') truths.push(value);
    else if (typeof value === 'number') writer.number(value);
    else if (values.length === 0) writer.text(value);
    else writeWord(writer, values, value);
  });
  writeBits(writer, truths, (truth) => truth);
};

const writeBits = <T>(writer: ByteWriter, items: readonly T[], isOn: (item: T) => boolean): void => {
  for (let from = 0; from < items.length; from += 8) {
    let byte = 0;
    for (let i = from; i < from + 8 && i < items.length; i++) if (isOn(items[i]!)) byte |= 1 << (i - from);
    writer.u8(byte);
  }
};

/** Layout: reference time, a bit per feature that holds something, then each one's registers by kind. */
export const readRegisters = (reader: ByteReader, set: FeatureSet): Registers => {
  const values = set.emptyRegisters.slice();
  if (reader.done) return { refMs: 0, untilMs: 0, values };
  const refMs = reader.u48();
  const bits = reader.bytes((set.features.length + 7) >> 3);
  for (let i = 0; i < set.features.length; i++) {
    if ((bits[i >> 3]! & (1 << (i & 7))) !== 0) readFeature(reader, set.features[i]!, values, refMs);
  }
  return { refMs, untilMs: 0, values };
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

const holdsSomething = ({ slot, run, kind, definition: { aggregate } }: CompiledFeature, values: number[]): boolean => {
  const first = aggregate === 'mean' ? slot + run : slot;
  if (kind === 'recency' || kind === 'last') return values[slot] === values[slot];
  for (let i = first; i < first + run; i++) {
    const value = values[i]!;
    if (kind === 'decay' ? Math.abs(value) >= NEGLIGIBLE : value === value && (value !== 0 || keepsZero(aggregate))) return true;
  }
  return false;
};

const keepsZero = (aggregate: string): boolean =>
  aggregate === 'min' || aggregate === 'max' || aggregate === 'last' || aggregate === 'recency';

const readFeature = (reader: ByteReader, feature: CompiledFeature, values: number[], refMs: number): void => {
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
      let place = newestPlace(feature, refMs);
      for (let age = 0; mask >> age !== 0; age++) {
        if ((mask & (1 << age)) !== 0) {
          values[slot + place] = reader.number()!;
          if (feature.slots > run) values[slot + run + place] = reader.varint();
        }
        place = place === 0 ? run - 1 : place - 1;
      }
    }
  }
};

const writeFeature = (writer: ByteWriter, feature: CompiledFeature, values: number[], refMs: number): void => {
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
      let place = newestPlace(feature, refMs);
      for (let age = 0; age < run; age++) {
        const value = values[first + place]!;
        if (value === value && (value !== 0 || zero)) {
          writer.buffer[at]! |= 1 << age;
          writer.number(values[slot + place]!);
          if (feature.slots > run) writer.varint(value);
        }
        place = place === 0 ? run - 1 : place - 1;
      }
    }
  }
};

/** Where the bucket of the reference time lies in its run; older ones lie before it, round the ring. */
const newestPlace = ({ widthMs, run }: CompiledFeature, refMs: number): number => Math.floor(refMs / widthMs) % run;

export const readContacts = (reader: ByteReader, set: FeatureSet): Contact[] => {
  if (reader.done) return [];
  let minute = reader.u32();
  const out: Contact[] = [];
  while (!reader.done) {
    minute -= reader.varint();
    const head = reader.u8();
    const channel = readWord(reader, CHANNELS, head >> 1);
    out.push({
      atMs: minute * MINUTE_MS,
      channel,
      direction: (head & 1) === 1 ? 'outbound' : 'inbound',
      actionId: readAction(reader, set),
    });
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

/**
 * By the time of the last meeting, newest first, each relative to the one before. Small counts share a byte (shown below 15, accepted
 * and rejected below 4); 0xff says that three varints follow.
 */
export const readPairs = (reader: ByteReader, set: FeatureSet): Map<number, PairCounters> => {
  const out = new Map<number, PairCounters>();
  if (reader.done) return out;
  let minute = reader.u32();
  while (!reader.done) {
    const index = reader.varint();
    const key = index === 0 ? reader.u32() : set.actionHashes[index - 1]!;
    const packed = reader.u8();
    const wide = packed === 0xff;
    const shown = wide ? reader.varint() : packed >> 4;
    const accepted = wide ? reader.varint() : (packed >> 2) & 3;
    const rejected = wide ? reader.varint() : packed & 3;
    minute -= reader.varint();
    const lastShownMs = shown > 0 ? (minute - reader.varint()) * MINUTE_MS : 0;
    const lastRejectedMs = rejected > 0 ? (minute - reader.varint()) * MINUTE_MS : 0;
    out.set(key, { shown, accepted, rejected, lastShownMs, lastRejectedMs });
  }
  return out;
};

export const writePairs = (writer: ByteWriter, pairs: ReadonlyMap<number, PairCounters>, set: FeatureSet): void => {
  if (pairs.size === 0) return;
  const sorted = [...pairs].toSorted(([key, a], [other, b]) => lastMet(b) - lastMet(a) || key - other);
  let minute = lastMet(sorted[0]![1]) / MINUTE_MS;
  writer.u32(minute);
  for (const [key, pair] of sorted) {
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
    const met = lastMet(pair) / MINUTE_MS;
    writer.varint(minute - met);
    minute = met;
    if (shown > 0) writer.varint(met - pair.lastShownMs / MINUTE_MS);
    if (rejected > 0) writer.varint(met - pair.lastRejectedMs / MINUTE_MS);
  }
};

const lastMet = ({ lastShownMs, lastRejectedMs }: PairCounters): number => Math.max(lastShownMs, lastRejectedMs);

/** What a pending decision does not share with the rule: the customer's shard, decided when its id says, the catalog's loop, inbound. */
const OWN_SHARD = 1;
const OWN_TIME = 2;
const OWN_LOOP = 4;
const OUTBOUND = 8;

/** Decisions of one customer share their shard, the last two bytes of the id: it is stored once. */
export const readPending = (reader: ByteReader, set: FeatureSet): PendingDecision[] => {
  if (reader.done) return [];
  const id = Buffer.alloc(16);
  const shard = reader.bytes(2);
  const out: PendingDecision[] = [];
  while (!reader.done) {
    reader.bytes(14).copy(id, 0);
    const head = reader.u8();
    ((head & OWN_SHARD) === 0 ? shard : reader.bytes(2)).copy(id, 14);
    const decisionId = decisionIdFromBytes(id);
    const decidedAtMs = timeOfDecision(decisionId) + ((head & OWN_TIME) === 0 ? 0 : reader.signed());
    const channel = readWord(reader, CHANNELS, head >> 4);
    const loop = (head & OWN_LOOP) === 0 ? '' : reader.text();
    const matureAtMs = decidedAtMs + readDuration(reader);
    const items = new Array<PendingItem>(reader.varint());
    for (let i = 0; i < items.length; i++) items[i] = readItem(reader, set, decidedAtMs);
    out.push({ decisionId, decidedAtMs, channel, direction: (head & OUTBOUND) === 0 ? 'inbound' : 'outbound', loop, matureAtMs, items });
  }
  return out;
};

export const writePending = (writer: ByteWriter, pending: readonly PendingDecision[], set: FeatureSet): void => {
  if (pending.length === 0) return;
  const shard = decisionIdToBytes(pending[0]!.decisionId).subarray(14);
  writer.bytes(shard);
  for (const decision of pending) {
    const { channel, loop, decidedAtMs } = decision;
    const id = decisionIdToBytes(decision.decisionId);
    const later = decidedAtMs - timeOfDecision(decision.decisionId);
    const isOwnShard = !shard.equals(id.subarray(14));
    const word = CHANNELS.indexOf(channel) + 1;
    writer.bytes(id.subarray(0, 14));
    writer.u8(
      (word << 4) |
        (isOwnShard ? OWN_SHARD : 0) |
        (later === 0 ? 0 : OWN_TIME) |
        (loop === '' ? 0 : OWN_LOOP) |
        (decision.direction === 'outbound' ? OUTBOUND : 0),
    );
    if (isOwnShard) writer.bytes(id.subarray(14));
    if (later !== 0) writer.signed(later);
    if (word === 0) writer.text(channel);
    if (loop !== '') writer.text(loop);
    writeDuration(writer, decision.matureAtMs - decidedAtMs);
    writer.varint(decision.items.length);
    for (const item of decision.items) writeItem(writer, item, set, decidedAtMs);
  }
};

const readItem = (reader: ByteReader, set: FeatureSet, decidedAtMs: number): PendingItem => {
  const head = reader.varint();
  const item: PendingItem = {
    rank: head >> 4,
    shown: (head & SHOWN) !== 0,
    actionId: readAction(reader, set),
    value: reader.number() ?? 0,
    revision: reader.varint(),
    target: readTarget(reader, (head >> 1) & 3),
    reward: reader.number(),
    outcome: readOutcome(reader),
    outcomeAtMs: 0,
    amount: null,
  };
  if (item.outcome !== null) item.outcomeAtMs = decidedAtMs + reader.signed();
  if ((head & HAS_AMOUNT) !== 0) item.amount = reader.number();
  return item;
};

/** The head of an item: rank x 16, whether there is an amount, the target's code, whether it was shown. */
const SHOWN = 1;
const HAS_AMOUNT = 8;
const TARGETS: readonly (number | null)[] = [null, 0, 1];
const OTHER_TARGET = 3;

const readTarget = (reader: ByteReader, code: number): number | null => (code === OTHER_TARGET ? reader.number() : TARGETS[code]!);

const readOutcome = (reader: ByteReader): string | null => {
  const head = reader.u8();
  return head === 0xff ? null : readWord(reader, OUTCOMES, head);
};

const writeItem = (writer: ByteWriter, item: PendingItem, set: FeatureSet, decidedAtMs: number): void => {
  const known = TARGETS.indexOf(item.target);
  const target = known < 0 ? OTHER_TARGET : known;
  writer.varint(item.rank * 16 + (item.amount === null ? 0 : HAS_AMOUNT) + target * 2 + (item.shown ? SHOWN : 0));
  writeAction(writer, item.actionId, set);
  writer.number(item.value);
  writer.varint(item.revision);
  if (target === OTHER_TARGET) writer.number(item.target);
  writer.number(item.reward);
  if (item.outcome === null) writer.u8(0xff);
  else {
    writeWord(writer, OUTCOMES, item.outcome);
    writer.signed(item.outcomeAtMs - decidedAtMs);
  }
  if (item.amount !== null) writer.number(item.amount);
};

/** The action ids of `readPending`, without the rest. */
export const readPendingActionIds = (reader: ByteReader, set: FeatureSet): string[] => {
  const out: string[] = [];
  if (reader.done) return out;
  reader.skip(2);
  while (!reader.done) {
    reader.skip(14);
    const head = reader.u8();
    if ((head & OWN_SHARD) !== 0) reader.skip(2);
    if ((head & OWN_TIME) !== 0) reader.varint();
    if (head >> 4 === 0) reader.text();
    if ((head & OWN_LOOP) !== 0) reader.text();
    reader.varint();
    for (let left = reader.varint(); left > 0; left--) {
      const { actionId } = readItem(reader, set, 0);
      if (!out.includes(actionId)) out.push(actionId);
    }
  }
  return out;
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
export const readRing = (reader: ByteReader): IdentityRing => {
  const ring: IdentityRing = { hashes: [], units: [], forgotten: 0 };
  if (reader.done) return ring;
  const base = reader.u32();
  while (!reader.done) {
    ring.units.push(base - reader.u8());
    const high = reader.u8();
    ring.hashes.push(high * 0x100000000 + reader.u32());
  }
  return ring;
};

/** Of a ring that holds something. */
export const oldestUnitOf = (reader: ByteReader): number => reader.u32() - reader.u8();

/** @param oldestUnit entries before it are forgotten */
export const writeRing = (writer: ByteWriter, ring: IdentityRing, oldestUnit: number): void => {
  let first = ring.forgotten;
  while (first < ring.units.length && ring.units[first]! < oldestUnit) first++;
  if (first === ring.units.length) return;
  const base = ring.units.at(-1)!;
  writer.u32(base);
  for (let i = first; i < ring.units.length; i++) {
    const hash = ring.hashes[i]!;
    writer.u8(Math.min(255, base - ring.units[i]!));
    writer.u8(Math.floor(hash / 0x100000000));
    writer.u32(hash % 0x100000000);
  }
};

/** Layout: 4 bytes of the source, partition and offset as varints; moved longest ago first. */
export const readMarks = (reader: ByteReader): SourceMark[] => {
  const marks: SourceMark[] = [];
  while (!reader.done) marks.push({ source: reader.u32(), partition: reader.varint(), offset: reader.varint() });
  return marks;
};

export const writeMarks = (writer: ByteWriter, marks: readonly SourceMark[]): void => {
  for (const { source, partition, offset } of marks) {
    writer.u32(source);
    writer.varint(partition);
    writer.varint(offset);
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
