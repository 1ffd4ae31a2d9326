/** The names under which the store keeps its things: prefix, `{bucket}`, one letter, and bytes; docs/redis.md lists them. */
import { LINK } from '../companion.ts';
import { bucketOf, bucketOfTag, tagOf } from './buckets.ts';

/** Two hours: one customer's timer is one entry of a small hash, and a bucket has few such hashes (docs/redis.md has the arithmetic). */
export const TIMER_SLOT_MS = 7_200_000;

const KEY_BYTES = 16;

export interface Keys {
  /** A state, or a companion that is not a link. */
  state(key: Buffer, shard: number): Buffer;
  /** The hash that has this decision's link; null: the key is no decision id of this shard. */
  links(key: Buffer, shard: number): Buffer | null;
  /** Timers of a bucket that are due in one slot of time: key and shard → ms within the slot. */
  timers(bucket: number, slot: number): Buffer;
  /** The slots of a bucket that have timers. */
  slots(bucket: number): Buffer;
  request(bucket: number, key: Buffer): Buffer;
  blob(bucket: number, hash: string): Buffer;
  name(bucket: number, name: string): Buffer;
  lease(bucket: number, name: string): Buffer;
  document(bucket: number, kind: string, id: string): Buffer;
  /** Of the bucket's documents, all kinds. */
  documentIndex(bucket: number): Buffer;
  reservations(bucket: number, name: string): Buffer;
  /** A bucket from which something was wiped since the files were last rewritten. */
  wiped(bucket: number): Buffer;
  /** Finds states and links in a SCAN. */
  readonly scanPattern: Buffer;
  /** What a scanned key names; null: nothing that a scan gives. */
  parse(key: Buffer): { readonly kind: 'state' | 'links'; readonly shard: number; readonly key: Buffer } | null;
}

export const createKeys = (prefix: string): Keys => {
  const heads = Array.from({ length: 1024 }, (_, bucket) => `${prefix}{${tagOf(bucket)}}`);
  const headLength = Buffer.byteLength(heads[0]!, 'latin1');
  const name = (bucket: number, letter: string, rest: string): Buffer => Buffer.from(heads[bucket]! + letter + rest, 'latin1');
  return {
    state(key, shard) {
      const out = Buffer.allocUnsafe(headLength + 2 + key.length);
      out.write(heads[bucketOf(shard)]!, 0, 'latin1');
      out[headLength] = STATE;
      out[headLength + 1] = shard >> 10;
      out.set(key, headLength + 2);
      return out;
    },
    links(key, shard) {
      if (key.length !== KEY_BYTES || key.readUInt16BE(14) !== shard) return null;
      const out = Buffer.allocUnsafe(headLength + 2);
      out.write(heads[bucketOf(shard)]!, 0, 'latin1');
      out[headLength] = LINKS;
      out[headLength + 1] = ((shard >> 10) << 1) | (key[13]! & 1);
      return out;
    },
    timers: (bucket, slot) => name(bucket, 't', slot.toString(36)),
    slots: (bucket) => name(bucket, 'i', ''),
    request: (bucket, key) => Buffer.concat([name(bucket, 'r', ''), key]),
    blob: (bucket, hash) => name(bucket, 'b', hash),
    name: (bucket, text) => Buffer.concat([name(bucket, 'n', ''), Buffer.from(text, 'utf8')]),
    lease: (bucket, text) => Buffer.concat([name(bucket, 'e', ''), Buffer.from(text, 'utf8')]),
    document: (bucket, kind, id) => Buffer.concat([name(bucket, 'd', ''), Buffer.from(`${kind}\0${id}`, 'utf8')]),
    documentIndex: (bucket) => name(bucket, 'x', ''),
    reservations: (bucket, text) => Buffer.concat([name(bucket, 'v', ''), Buffer.from(text, 'utf8')]),
    wiped: (bucket) => name(bucket, 'w', ''),
    scanPattern: Buffer.from(`${prefix.replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}{??}[sl]*`, 'latin1'),
    parse(key) {
      if (key.length < headLength + 2) return null;
      const bucket = bucketOfTag(key.toString('latin1', prefix.length + 1, prefix.length + 3));
      const letter = key[headLength];
      const high = key[headLength + 1]!;
      if (bucket < 0) return null;
      if (letter === STATE && key.length === headLength + 2 + KEY_BYTES)
        return { kind: 'state', shard: (high << 10) | bucket, key: key.subarray(headLength + 2) };
      if (letter === LINKS && key.length === headLength + 2) return { kind: 'links', shard: ((high >> 1) << 10) | bucket, key };
      return null;
    },
  };
};

const STATE = 's'.charCodeAt(0);
const LINKS = 'l'.charCodeAt(0);

/** Under which a link stands in its hash: a decision id without its shard, which the hash's name says. */
export const linkField = (key: Buffer): Buffer => key.subarray(0, 14);

export const keyOfLink = (field: Buffer, shard: number): Buffer => {
  const key = Buffer.alloc(KEY_BYTES);
  key.set(field);
  key.writeUInt16BE(shard, 14);
  return key;
};

export const isLink = (value: Buffer): boolean => value[0] === LINK && value.length === KEY_BYTES + 1;
/** A link is stored without its first byte: the hash says what it is. */
export const wholeLink = (stored: Buffer): Buffer => Buffer.concat([Buffer.of(LINK), stored]);

/** A timer's field: the key, and the shard's upper six bits (the lower ten are the bucket). */
export const timerField = (key: Buffer, shard: number): Buffer => {
  const out = Buffer.allocUnsafe(KEY_BYTES + 1);
  out.set(key);
  out[KEY_BYTES] = shard >> 10;
  return out;
};

export const parseTimerField = (field: Buffer, bucket: number): { readonly key: Buffer; readonly shard: number } => ({
  key: Buffer.from(field.subarray(0, KEY_BYTES)),
  shard: (field[KEY_BYTES]! << 10) | bucket,
});
