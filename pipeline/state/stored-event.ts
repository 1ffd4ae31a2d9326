/** An event as it lies in the log: fields are found in place, because folding asks for few of them. */
import { eventCodec } from '#contracts';
import type { CustomerKey, EventRecord } from '#contracts';
import { identityHash, identityHashOfEvent } from '#feature-store';
import { readWord } from './words.ts';
import { nameOfKey } from './key-names.ts';

/** What folding knows of an event; a decoded record is one, too. */
export type FoldableEvent = Pick<EventRecord, 'id' | 'source' | 'type' | 'time' | 'receivedAt' | 'data'>;

const HEADER = Buffer.concat([Buffer.from([0xc3, 0x01]), eventCodec.fingerprint]);

/** Views the record's bytes, which must not change. */
export class StoredEvent implements FoldableEvent {
  readonly bytes: Buffer;
  readonly key: CustomerKey;
  readonly type: string;
  readonly time: number;
  readonly receivedAt: number;
  /** Where the JSON text begins; it ends with the record. */
  readonly dataAt: number;
  /** What the ring of seen ids keeps of it; found while the bytes are at hand, which the fold meets in another order. */
  readonly identity: number;
  readonly #idAt: number;
  readonly #idEnd: number;
  readonly #sourceAt: number;
  readonly #sourceEnd: number;

  constructor(bytes: Buffer, found: Found, key: CustomerKey, type: string) {
    this.bytes = bytes;
    this.key = key;
    this.type = type;
    this.time = found.time;
    this.receivedAt = found.receivedAt;
    this.dataAt = found.dataAt;
    this.#idAt = found.idAt;
    this.#idEnd = found.idEnd;
    this.#sourceAt = found.idEnd + found.sourceHead;
    this.#sourceEnd = found.sourceEnd;
    this.identity = identityHashOfEvent(bytes, this.#sourceAt, this.#sourceEnd, this.#idAt, this.#idEnd) ?? identityOf(this);
  }

  get id(): string {
    return this.bytes.toString('utf8', this.#idAt, this.#idEnd);
  }

  get source(): string {
    return this.bytes.toString('utf8', this.#sourceAt, this.#sourceEnd);
  }

  get data(): string {
    return this.bytes.toString('utf8', this.dataAt);
  }
}

export const identityOf = (event: Pick<EventRecord, 'source' | 'id'>): number => identityHash(`event:${event.source}/${event.id}`);

interface Found {
  idAt: number;
  idEnd: number;
  sourceHead: number;
  sourceEnd: number;
  time: number;
  receivedAt: number;
  dataAt: number;
}

/** Reused: a StoredEvent takes what it needs. */
const found: Found = { idAt: 0, idEnd: 0, sourceHead: 0, sourceEnd: 0, time: 0, receivedAt: 0, dataAt: 0 };
let at = 0;

/** Null: not of the current version, or not whole; the codec knows more, or says why. */
export const readStoredEvent = (bytes: Buffer): StoredEvent | null => {
  if (bytes.length < HEADER.length) return null;
  for (let i = 0; i < HEADER.length; i++) if (bytes[i] !== HEADER[i]) return null;
  at = HEADER.length;
  found.idEnd = skipText(bytes);
  found.idAt = textAt;
  found.sourceEnd = skipText(bytes);
  found.sourceHead = textAt - found.idEnd;
  const typeEnd = skipText(bytes);
  const typeAt = textAt;
  skipText(bytes);
  const branch = readLong(bytes);
  if (branch === 1) skipText(bytes);
  else if (branch !== 0) return null;
  const keyAt = at;
  at += 16;
  found.time = readLong(bytes);
  found.receivedAt = readLong(bytes);
  const end = skipText(bytes);
  found.dataAt = textAt;
  if (end !== bytes.length || !Number.isSafeInteger(found.time) || !Number.isSafeInteger(found.receivedAt)) return null;
  return new StoredEvent(bytes, found, nameOfKey(bytes, keyAt), readWord(bytes, typeAt, typeEnd));
};

let textAt = 0;

/** The end of a string whose beginning is then `textAt`; past the record's end when it is cut off, and so is all that follows. */
const skipText = (bytes: Buffer): number => {
  const length = readLong(bytes);
  textAt = at;
  at = length >= 0 ? at + length : Infinity;
  return at;
};

/** Avro's zig-zag long; NaN when it does not end within the record. */
const readLong = (bytes: Buffer): number => {
  let byte = bytes[at++];
  if (byte === undefined) return Number.NaN;
  let value = byte & 0x7f;
  for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
    byte = bytes[at++];
    if (byte === undefined || scale > 2 ** 56) return Number.NaN;
    value += (byte & 0x7f) * scale;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
};
