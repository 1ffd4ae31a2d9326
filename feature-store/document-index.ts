/**
 * The indexes of documents: one sorted set of bytes, in which each document stands up to four times, so that every list is a range.
 *
 * | first | then | for |
 * | --- | --- | --- |
 * | `t` | kind 0 time id | lists of a kind |
 * | `s` | kind 0 state 0 time id | lists of a state |
 * | `c` | customer key, kind 0 time id 0 state | lists of a customer, and all that an erasure ends |
 * | `d` | kind 0 due id | what wants attention |
 *
 * Times are 6 bytes, big-endian; a 0 ends a word that holds none. So within a range entries sort by time, then by the id's bytes.
 */
import { END_OF_TIME_MS } from './document-codec.ts';
import type { DocumentQuery, StoredDocument } from './documents.ts';

type Indexed = Pick<StoredDocument, 'id' | 'customerKey' | 'state' | 'atMs' | 'dueMs'>;

/** Where this document stands; no two documents share an entry. */
export const entriesOf = (kind: string, { id, customerKey, state, atMs, dueMs }: Indexed): readonly Buffer[] => [
  Buffer.concat([timePrefix(kind), timeBytes(atMs), Buffer.from(id)]),
  Buffer.concat([statePrefix(kind, state), timeBytes(atMs), Buffer.from(id)]),
  ...(customerKey === null ? [] : [Buffer.concat([customerPrefix(customerKey, kind), timeBytes(atMs), Buffer.from(`${id}\0${state}`)])]),
  ...(dueMs === null ? [] : [Buffer.concat([duePrefix(kind), timeBytes(dueMs), Buffer.from(id)])]),
];

/** Entries that begin with the prefix, of times from `fromMs` (inclusive) to `toMs` (exclusive). */
export interface IndexRange {
  readonly prefix: Buffer;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the query finds; with customer and state also the customer's documents of other states. */
export const rangeOfQuery = (kind: string, { customerKey, state, fromMs = 0, toMs = END_OF_TIME_MS }: DocumentQuery): IndexRange => ({
  prefix: customerKey !== undefined ? customerPrefix(customerKey, kind) : state !== undefined ? statePrefix(kind, state) : timePrefix(kind),
  fromMs: timeWithin(fromMs),
  toMs: timeWithin(toMs),
});

export const rangeOfDue = (kind: string, nowMs: number): IndexRange => ({
  prefix: duePrefix(kind),
  fromMs: 0,
  toMs: timeWithin(Math.floor(nowMs) + 1),
});

/** No entry equals it: those at this very time come after it. */
export const boundOf = (prefix: Buffer, atMs: number): Buffer => Buffer.concat([prefix, timeBytes(atMs)]);

/** All kinds of a customer: from the first, inclusive, to the second, exclusive. */
export const boundsOfCustomer = (customerKey: Buffer): readonly [Buffer, Buffer] => {
  const prefix = Buffer.concat([CUSTOMER, customerKey]);
  return [prefix, Buffer.concat([prefix, Buffer.of(255)])];
};

/** The id of an entry of this range, which is not of a customer's. */
export const idOfEntry = (entry: Buffer, { prefix }: IndexRange): string => entry.toString('utf8', prefix.length + TIME_BYTES);

export interface CustomerEntry {
  readonly kind: string;
  readonly id: string;
  readonly state: string;
  readonly atMs: number;
}

export const parseCustomerEntry = (entry: Buffer): CustomerEntry => {
  const kindEnd = entry.indexOf(0, KIND_AT);
  const idAt = kindEnd + 1 + TIME_BYTES;
  const idEnd = entry.indexOf(0, idAt);
  return {
    kind: entry.toString('latin1', KIND_AT, kindEnd),
    id: entry.toString('utf8', idAt, idEnd),
    state: entry.toString('latin1', idEnd + 1),
    atMs: entry.readUIntBE(kindEnd + 1, TIME_BYTES),
  };
};

const TIME_BYTES = 6;
const KEY_BYTES = 16;
/** Of the kind in a customer's entry. */
const KIND_AT = 1 + KEY_BYTES;
const CUSTOMER = Buffer.from('c');

const timePrefix = (kind: string): Buffer => Buffer.from(`t${kind}\0`, 'latin1');
const statePrefix = (kind: string, state: string): Buffer => Buffer.from(`s${kind}\0${state}\0`, 'latin1');
const duePrefix = (kind: string): Buffer => Buffer.from(`d${kind}\0`, 'latin1');
const customerPrefix = (customerKey: Buffer, kind: string): Buffer =>
  Buffer.concat([CUSTOMER, customerKey, Buffer.from(`${kind}\0`, 'latin1')]);

const timeBytes = (atMs: number): Buffer => {
  const out = Buffer.allocUnsafe(TIME_BYTES);
  out.writeUIntBE(atMs, 0, TIME_BYTES);
  return out;
};

/** A bound may be any number: before the first time, after the last, between two milliseconds. */
const timeWithin = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), END_OF_TIME_MS);
