/** The customer's state in memory: sections of the stored bytes, read when first asked for, and the steps that change them. */
import {
  hash32,
  MAX_CONTACTS,
  MINUTE_MS,
  NO_PAIR,
  type AttributeValue,
  type Contact,
  type DecisionId,
  type PairCounters,
  STATE_INPUTS,
} from '#contracts';
import type { FeatureSet } from '../definitions/feature-set.ts';
import { ByteReader, type ByteWriter } from './bytes.ts';
import { evaluateStored } from './evaluate-features.ts';
import type { Outreach } from './outreach.ts';
import { readOutreach, writeOutreach } from './outreach-section.ts';
import * as sections from './sections.ts';
import type { SourceMark } from './source-marks.ts';

export const MAX_PAIRS = 32;
export const MAX_PENDING = 8;

export interface TimedValue {
  readonly value: AttributeValue;
  /** Of the event that set it, ms since 1970 UTC. */
  readonly atMs: number;
}

/** A shown or chosen action of a decision that still waits; plain and mutable, the pipeline attributes outcomes to it. */
export interface PendingItem {
  /** 1-based slot, below 128. */
  readonly rank: number;
  readonly actionId: string;
  /** The action's worth if accepted, as decided. */
  readonly value: number;
  /** Of the latest reward record; 0: none yet. */
  revision: number;
  shown: boolean;
  target: number | null;
  reward: number | null;
  /** The latest that counted; null: none. */
  outcome: string | null;
  /** When it happened; 0 without one. */
  outcomeAtMs: number;
  /** Money of the outcomes; null: none named any. */
  amount: number | null;
}

export interface PendingDecision {
  readonly decisionId: DecisionId;
  readonly decidedAtMs: number;
  readonly channel: string;
  readonly direction: Contact['direction'];
  /** Empty for the catalog's loop. */
  readonly loop: string;
  matureAtMs: number;
  readonly items: PendingItem[];
}

export interface Registers {
  /** Time that decayed values and buckets refer to: the newest event time folded. */
  refMs: number;
  /** Only in memory: until then no bucket of any window ends. 0: unknown. */
  untilMs: number;
  readonly values: number[];
}

export interface IdentityRing {
  /** 40-bit hashes, oldest first. */
  readonly hashes: number[];
  /** When each was seen, in units of ten minutes since 1970. */
  readonly units: number[];
  /** How many of the first ones do not count any more; only in memory. */
  forgotten: number;
}

/** In the order in which they are stored; the last two only where there is something in them. */
export const SECTIONS = ['attributes', 'registers', 'contacts', 'pairs', 'pending', 'ring', 'marks', 'outreach'] as const;
export type Section = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

const NOTHING = Buffer.alloc(0);
const NO_SECTIONS: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0];

/** Sections that were never asked for are written back as they were. */
export class CustomerState {
  readonly featureSet: FeatureSet;
  epoch = 0;
  /** The last applied offset of each of STATE_INPUTS; -1: none. */
  positions: number[];
  /** The one timer of this customer, ms since 1970 UTC; null: none. */
  nextTimerMs: number | null = null;
  readonly #bytes: Buffer;
  readonly #bounds: readonly number[];
  #attributes: (TimedValue | undefined)[] | undefined = undefined;
  #registers: Registers | undefined = undefined;
  #contacts: Contact[] | undefined = undefined;
  #pairs: Map<number, PairCounters> | undefined = undefined;
  #pending: PendingDecision[] | undefined = undefined;
  #ring: IdentityRing | undefined = undefined;
  #marks: SourceMark[] | undefined = undefined;
  #outreach: Outreach | undefined = undefined;

  /** @param bounds where each section begins in `bytes`, and where the last one ends */
  constructor(featureSet: FeatureSet, positions: number[], bytes: Buffer = NOTHING, bounds: readonly number[] = NO_SECTIONS) {
    this.featureSet = featureSet;
    this.positions = positions;
    this.#bytes = bytes;
    this.#bounds = bounds;
  }

  /** By the index of `featureSet.attributes`. */
  get attributes(): (TimedValue | undefined)[] {
    return (this.#attributes ??= sections.readAttributes(this.#reader(0), this.featureSet));
  }

  get registers(): Registers {
    return (this.#registers ??= sections.readRegisters(this.#reader(1), this.featureSet));
  }

  /** Newest first. */
  get contacts(): Contact[] {
    return (this.#contacts ??= sections.readContacts(this.#reader(2), this.featureSet));
  }

  /** By hash32 of the action's id. */
  get pairs(): Map<number, PairCounters> {
    return (this.#pairs ??= sections.readPairs(this.#reader(3), this.featureSet));
  }

  /** Oldest first. */
  get pending(): PendingDecision[] {
    return (this.#pending ??= sections.readPending(this.#reader(4), this.featureSet));
  }

  get ring(): IdentityRing {
    return (this.#ring ??= sections.readRing(this.#reader(5)));
  }

  /** Moved longest ago first. */
  get marks(): SourceMark[] {
    return (this.#marks ??= sections.readMarks(this.#reader(6)));
  }

  get hasMarks(): boolean {
    return this.#marks === undefined ? this.#bounds[7]! > this.#bounds[6]! : this.#marks.length > 0;
  }

  get outreach(): Outreach {
    return (this.#outreach ??= readOutreach(this.#reader(7)));
  }

  /** Without reading it. */
  get hasOutreach(): boolean {
    if (this.#outreach === undefined) return this.#bounds[8]! > this.#bounds[7]!;
    const { planned, messages, trials, runs, recent } = this.#outreach;
    return planned.length + messages.length + trials.length + runs.length + recent.length > 0;
  }

  /** For a view of a state that nobody changes: values by name, without the times. */
  attributeValues(): Record<string, AttributeValue> {
    return sections.readAttributeValues(this.#reader(0), this.featureSet);
  }

  /** Likewise: features at a moment. */
  storedFeatures(nowMs: number): Float32Array {
    return evaluateStored(this.#reader(1), this.featureSet, nowMs);
  }

  /** Likewise: the actions of pending decisions, each once. */
  pendingActionIds(): string[] {
    return sections.readPendingActionIds(this.#reader(4), this.featureSet);
  }

  /** Into the bytes of the next state; `oldestUnit` of the ring. */
  write(section: Section, writer: ByteWriter, oldestUnit: number): void {
    if (!this.#isRead(section) && (section !== 5 || this.#ringIsYoung(oldestUnit))) {
      writer.copyFrom(this.#bytes, this.#bounds[section]!, this.#bounds[section + 1]!);
      return;
    }
    const set = this.featureSet;
    switch (section) {
      case 0:
        return sections.writeAttributes(writer, this.attributes, set);
      case 1:
        return sections.writeRegisters(writer, this.registers, set);
      case 2:
        return sections.writeContacts(writer, this.contacts, set);
      case 3:
        return sections.writePairs(writer, this.pairs, set);
      case 4:
        return sections.writePending(writer, this.pending, set);
      case 5:
        return sections.writeRing(writer, this.ring, oldestUnit);
      case 6:
        return sections.writeMarks(writer, this.marks);
      case 7:
        return writeOutreach(writer, this.outreach);
    }
  }

  #isRead(section: Section): boolean {
    switch (section) {
      case 0:
        return this.#attributes !== undefined;
      case 1:
        return this.#registers !== undefined;
      case 2:
        return this.#contacts !== undefined;
      case 3:
        return this.#pairs !== undefined;
      case 4:
        return this.#pending !== undefined;
      case 5:
        return this.#ring !== undefined;
      case 6:
        return this.#marks !== undefined;
      default:
        return this.#outreach !== undefined;
    }
  }

  #ringIsYoung(oldestUnit: number): boolean {
    const reader = this.#reader(5);
    return reader.done || sections.oldestUnitOf(reader) >= oldestUnit;
  }

  #reader(section: Section): ByteReader {
    return new ByteReader(this.#bytes, this.#bounds[section], this.#bounds[section + 1]);
  }

  attribute(name: string): AttributeValue | undefined {
    return this.attributes[this.featureSet.attributeIndex.get(name) ?? -1]?.value;
  }

  pair(actionId: string): PairCounters {
    const index = this.featureSet.actionIndex.get(actionId);
    return this.pairs.get(index === undefined ? hash32(actionId) : this.featureSet.actionHashes[index]!) ?? NO_PAIR;
  }
}

export const emptyState = (featureSet: FeatureSet): CustomerState =>
  new CustomerState(
    featureSet,
    STATE_INPUTS.map(() => -1),
  );

/**
 * Keeps MAX_CONTACTS, whatever order they come in; minutes are kept, not milliseconds. The oldest inbound one gives way first: limits of
 * messages are counted exactly as long as there are no more than MAX_CONTACTS of these.
 */
export const addContact = (state: CustomerState, contact: Contact): void => {
  const contacts = state.contacts;
  const entry: Contact = {
    ...contact,
    atMs: toMinute(contact.atMs),
    actionId: shortName(contact.actionId),
    channel: contact.channel.slice(0, 24),
  };
  const place = contacts.findIndex((other) => compareContacts(entry, other) < 0);
  if (place < 0) contacts.push(entry);
  else contacts.splice(place, 0, entry);
  if (contacts.length > MAX_CONTACTS) contacts.splice(oldestInbound(contacts), 1);
};

/** Gives back what was counted as of this minute; contacts that read alike are alike, and any of them may go. */
export const takeBackContact = (state: CustomerState, { atMs, channel, direction, actionId }: Contact): void => {
  const { contacts } = state;
  const [minute, action] = [toMinute(atMs), shortName(actionId)];
  const place = contacts.findIndex(
    (other) => other.direction === direction && other.atMs === minute && other.channel === channel && other.actionId === action,
  );
  if (place >= 0) contacts.splice(place, 1);
};

/** The last one where all are outbound. */
const oldestInbound = (contacts: readonly Contact[]): number => {
  const place = contacts.findLastIndex(({ direction }) => direction === 'inbound');
  return place < 0 ? contacts.length - 1 : place;
};

export interface PairChange {
  readonly shown?: number;
  readonly accepted?: number;
  readonly rejected?: number;
  readonly atMs: number;
}

/**
 * Adds to the counters of one action (a correction may subtract). Beyond MAX_PAIRS the pair that was met longest ago is forgotten,
 * so that counters of the 32 most recent actions do not depend on the order of records.
 */
export const countPair = (state: CustomerState, actionId: string, change: PairChange): void => {
  const pairs = state.pairs;
  const key = hash32(actionId);
  const was = pairs.get(key) ?? NO_PAIR;
  const minute = toMinute(change.atMs);
  const shown = count(was.shown, change.shown);
  pairs.set(key, {
    shown,
    accepted: count(was.accepted, change.accepted),
    rejected: count(was.rejected, change.rejected),
    lastShownMs: (change.shown ?? 0) > 0 ? Math.max(was.lastShownMs, minute) : shown === 0 ? 0 : was.lastShownMs,
    lastRejectedMs: (change.rejected ?? 0) > 0 ? Math.max(was.lastRejectedMs, minute) : was.lastRejectedMs,
  });
  if (pairs.size > MAX_PAIRS) pairs.delete(leastRecent(pairs));
};

/** Returns the decisions that had to give way (the oldest first, beyond MAX_PENDING): the caller matures them. */
export const addPending = (state: CustomerState, decision: PendingDecision): PendingDecision[] => {
  const pending = state.pending;
  if (pending.some((other) => other.decisionId === decision.decisionId)) return [];
  pending.push(decision);
  pending.sort((a, b) => a.decidedAtMs - b.decidedAtMs || (a.decisionId < b.decisionId ? -1 : 1));
  return pending.splice(0, Math.max(0, pending.length - MAX_PENDING));
};

export const findPending = (state: CustomerState, decisionId: DecisionId): PendingDecision | undefined =>
  state.pending.find((decision) => decision.decisionId === decisionId);

/** True when it was there. */
export const removePending = (state: CustomerState, decisionId: DecisionId): boolean => {
  const place = state.pending.findIndex((decision) => decision.decisionId === decisionId);
  if (place >= 0) state.pending.splice(place, 1);
  return place >= 0;
};

/** Newest first; ties by content, so that equal sets give equal lists. */
const compareContacts = (a: Contact, b: Contact): number =>
  b.atMs - a.atMs || compareText(a.actionId, b.actionId) || compareText(a.channel, b.channel) || compareText(a.direction, b.direction);

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const toMinute = (ms: number): number => Math.floor(Math.max(0, ms) / MINUTE_MS) * MINUTE_MS;
const count = (was: number, change = 0): number => Math.max(0, was + change);

/** Of a caller's own candidate a long id is kept as its hash: a contact only tells whether two are the same. */
const shortName = (actionId: string): string => (actionId.length <= 40 ? actionId : `~${hash32(actionId).toString(16).padStart(8, '0')}`);

const leastRecent = (pairs: ReadonlyMap<number, PairCounters>): number => {
  let oldest = 0;
  let oldestMs = Infinity;
  for (const [key, pair] of pairs) {
    const lastMs = Math.max(pair.lastShownMs, pair.lastRejectedMs);
    if (lastMs < oldestMs || (lastMs === oldestMs && key < oldest)) [oldest, oldestMs] = [key, lastMs];
  }
  return oldest;
};
