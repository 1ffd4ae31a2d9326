/** An event as it lies in the log: fields are found in place, because folding asks for few of them. */
import { INGEST_SOURCE, STATE_INPUTS, TOPICS, eventCodec, placeOfSourceRecord, shardOfBytes } from '#contracts';
import type { CustomerKey, EventRecord } from '#contracts';
import type { LogRecord } from '#event-log';
import { identityHash, identityHashOfEvent, sourceMarkOf } from '#feature-store';
import type { SourceMark } from '#feature-store';
import { readFlatObject } from './event-data.ts';
import type { EventData } from './event-data.ts';
import type { EventInput } from './input.ts';
import { nameOfKey } from './key-names.ts';
import { readWord } from './words.ts';

/** What folding knows of an event; a decoded record is one, too. */
export type FoldableEvent = Pick<EventRecord, 'id' | 'source' | 'type' | 'time' | 'receivedAt' | 'data'>;

export const EVENTS = STATE_INPUTS.indexOf(TOPICS.events);
const HEADER = Buffer.concat([Buffer.from([0xc3, 0x01]), eventCodec.fingerprint]);

/** An input by itself, small because a batch holds thousands. It views the record's bytes, which must not change. */
export class StoredEvent implements FoldableEvent, EventInput {
  readonly record: LogRecord;
  readonly key: CustomerKey;
  readonly shard: number | null;
  readonly type: string;
  readonly time: number;
  readonly receivedAt: number;
  /** Where the JSON text begins in the record's value; it ends with it. */
  readonly dataAt: number;
  /** The data where it is a flat object; undefined: something else, to be parsed when it is asked for. */
  readonly flatData: EventData | undefined;
  /** What the ring of seen ids keeps of it. Both are found while the bytes are at hand: the fold meets events in another order. */
  readonly identity: number;
  /** Of an event that ingest made of a record of the operator's: it is counted by its place, not by its id. */
  readonly mark: SourceMark | null;

  constructor(record: LogRecord, found: Found, key: CustomerKey, type: string) {
    const { time, receivedAt, dataAt, sourceAt, sourceEnd, idAt, idEnd, subjectAt, subjectEnd } = found;
    this.record = record;
    this.key = key;
    this.shard = subjectEnd === 0 ? null : shardOfBytes(record.value, subjectAt, subjectEnd);
    this.type = type;
    this.time = time;
    this.receivedAt = receivedAt;
    this.dataAt = dataAt;
    this.flatData = readFlatObject(record.value, dataAt);
    this.identity = identityHashOfEvent(record.value, sourceAt, sourceEnd, idAt, idEnd) ?? identityOf(this);
    this.mark = isOfIngest(record.value, sourceAt, sourceEnd)
      ? markOf({ source: record.value.toString('utf8', sourceAt, sourceEnd), id: record.value.toString('utf8', idAt, idEnd) })
      : null;
  }

  get kind(): 'event' {
    return 'event';
  }

  get topicIndex(): number {
    return EVENTS;
  }

  get event(): this {
    return this;
  }

  get id(): string {
    return eventCodec.decode(this.record.value).id;
  }

  get source(): string {
    return eventCodec.decode(this.record.value).source;
  }

  get data(): string {
    return this.record.value.toString('utf8', this.dataAt);
  }
}

export const identityOf = (event: Pick<EventRecord, 'source' | 'id'>): number => identityHash(`event:${event.source}/${event.id}`);

/** Null: the event is counted by its id. */
export const markOf = ({ source, id }: Pick<EventRecord, 'source' | 'id'>): SourceMark | null => {
  const place = placeOfSourceRecord(source, id);
  return place === null ? null : { source: sourceMarkOf(source), ...place };
};

const INGEST = Buffer.from(INGEST_SOURCE);

const isOfIngest = (bytes: Buffer, sourceAt: number, sourceEnd: number): boolean => {
  if (bytes[sourceAt] !== INGEST[0] || sourceEnd - sourceAt <= INGEST.length) return false;
  for (let i = 1; i < INGEST.length; i++) if (bytes[sourceAt + i] !== INGEST[i]) return false;
  return true;
};

interface Found {
  idAt: number;
  idEnd: number;
  sourceAt: number;
  sourceEnd: number;
  subjectAt: number;
  /** 0: there is no subject's id. */
  subjectEnd: number;
  time: number;
  receivedAt: number;
  dataAt: number;
}

/** Reused: a StoredEvent takes what it needs. */
const found: Found = { idAt: 0, idEnd: 0, sourceAt: 0, sourceEnd: 0, subjectAt: 0, subjectEnd: 0, time: 0, receivedAt: 0, dataAt: 0 };
let at = 0;

/** Null: not of the current version, or not whole; the codec knows more, or says why. */
export const readStoredEvent = (record: LogRecord): StoredEvent | null => {
  const bytes = record.value;
  if (bytes.length < HEADER.length) return null;
  for (let i = 0; i < HEADER.length; i++) if (bytes[i] !== HEADER[i]) return null;
  at = HEADER.length;
  found.idEnd = skipText(bytes);
  found.idAt = textAt;
  found.sourceEnd = skipText(bytes);
  found.sourceAt = textAt;
  const typeEnd = skipText(bytes);
  const typeAt = textAt;
  skipText(bytes);
  const branch = readLong(bytes);
  if (branch === 1) {
    found.subjectEnd = skipText(bytes);
    found.subjectAt = textAt;
  } else if (branch === 0) found.subjectEnd = 0;
  else return null;
  const keyAt = at;
  at += 16;
  found.time = readLong(bytes);
  found.receivedAt = readLong(bytes);
  const end = skipText(bytes);
  found.dataAt = textAt;
  if (end !== bytes.length || !Number.isSafeInteger(found.time) || !Number.isSafeInteger(found.receivedAt)) return null;
  return new StoredEvent(record, found, nameOfKey(bytes, keyAt), readWord(bytes, typeAt, typeEnd));
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
