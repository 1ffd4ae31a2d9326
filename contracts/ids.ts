/** Ids: what names a customer, a decision and a partition, and how one is derived from another. */
import { createHmac, hash as digest } from 'node:crypto';
import { AttuneError } from './errors.ts';
import { hash32, hash32OfAscii } from './hash.ts';

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Text of the operator's own id of a customer; personal data: it lives in the log and nowhere else. */
export type CustomerId = Brand<string, 'CustomerId'>;
/** UUID text (36 characters, version 7 layout) whose last four hex digits are the shard. */
export type DecisionId = Brand<string, 'DecisionId'>;
/** 32 hex digits: HMAC-SHA-256 of kind and id under ATTUNE_ID_KEY, cut to 128 bits. The only id outside the log. */
export type CustomerKey = Brand<string, 'CustomerKey'>;

export const SHARDS = 65_536;

/** Throws `id.empty` on text without a visible character. */
export const parseCustomerId = (text: string): CustomerId => {
  if (text.trim() === '') throw new AttuneError('id.empty', 'a customer id must not be empty');
  return text as CustomerId;
};

/** The 16-bit shard of a partition key (customerId, else anonymousId, else the decision's own id). */
export const shardOf = (partitionKey: string): number => hash32(partitionKey, 0x5a) & 0xffff;

/** The same, of a key that lies in UTF-8 in `bytes`. */
export const shardOfBytes = (bytes: Buffer, from: number, to: number): number => {
  const hash = hash32OfAscii(bytes, from, to, 0x5a);
  return hash === null ? shardOf(bytes.toString('utf8', from, to)) : hash & 0xffff;
};

/** A topic's partition for a shard. Holds for every topic and engine. */
export const partitionOf = (shard: number, partitions: number): number => shard % partitions;

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/**
 * A decision id: 48 bits of time, 58 bits of entropy, 16 bits of shard, in the layout of a UUID version 7 (RFC 9562).
 * @param entropy two unsigned 32-bit integers; drawn at random, or derived from a requestId so that a retry counts once
 */
export const createDecisionId = (input: { atMs: number; shard: number; entropy: readonly [number, number] }): DecisionId => {
  const high = Math.floor(input.atMs / 0x10000);
  const low = input.atMs % 0x10000;
  const [a, b] = input.entropy;
  return (HEX[(high >>> 24) & 255]! +
    HEX[(high >>> 16) & 255]! +
    HEX[(high >>> 8) & 255]! +
    HEX[high & 255]! +
    '-' +
    HEX[(low >>> 8) & 255]! +
    HEX[low & 255]! +
    '-' +
    HEX[0x70 | ((a >>> 28) & 15)]! +
    HEX[(a >>> 20) & 255]! +
    '-' +
    HEX[0x80 | ((a >>> 14) & 63)]! +
    HEX[(a >>> 6) & 255]! +
    '-' +
    HEX[b >>> 24]! +
    HEX[(b >>> 16) & 255]! +
    HEX[(b >>> 8) & 255]! +
    HEX[b & 255]! +
    HEX[(input.shard >>> 8) & 255]! +
    HEX[input.shard & 255]!) as DecisionId;
};

const DECISION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Null when the text is not a decision id of ours. */
export const parseDecisionId = (text: string): DecisionId | null => (DECISION_ID.test(text) ? (text as DecisionId) : null);

export const shardOfDecision = (id: DecisionId): number => parseInt(id.slice(32), 16);
export const timeOfDecision = (id: DecisionId): number => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** 16 bytes. */
export const decisionIdToBytes = (id: DecisionId): Buffer =>
  Buffer.from(id.slice(0, 8) + id.slice(9, 13) + id.slice(14, 18) + id.slice(19, 23) + id.slice(24), 'hex');

/** @param bytes at least 16 from `offset` */
export const decisionIdFromBytes = (bytes: Uint8Array, offset = 0): DecisionId => {
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += HEX[bytes[offset + i]!]!;
  }
  return text as DecisionId;
};

/** A keyed, one-way name for a subject. About 2 µs; the caller may cache it. */
export type CustomerKeyFunction = (subject: { readonly kind: string; readonly id: string }) => CustomerKey;

/**
 * HMAC (RFC 2104) by two one-shot digests: the same value as `createHmac`, at half the cost.
 * @param idKey ATTUNE_ID_KEY
 */
export const createCustomerKey = (idKey: string): CustomerKeyFunction => {
  let secret = Buffer.from(idKey, 'utf8');
  if (secret.length > 64) secret = digest('sha256', secret, 'buffer');
  const inner = Buffer.alloc(64, 0x36);
  const outer = Buffer.alloc(64, 0x5c);
  for (let i = 0; i < secret.length; i++) {
    inner[i]! ^= secret[i]!;
    outer[i]! ^= secret[i]!;
  }
  return ({ kind, id }) => {
    const first = digest('sha256', Buffer.concat([inner, Buffer.from(`${kind}:${id}`, 'utf8')]), 'buffer');
    return digest('sha256', Buffer.concat([outer, first]), 'hex').slice(0, 32) as CustomerKey;
  };
};

/** The reference that the test holds `createCustomerKey` against. */
export const customerKeyByHmac = (idKey: string, subject: { kind: string; id: string }): CustomerKey =>
  createHmac('sha256', idKey).update(`${subject.kind}:${subject.id}`).digest('hex').slice(0, 32) as CustomerKey;

/** 16 bytes; the key of the customer's state in the feature store. */
export const customerKeyToBytes = (key: CustomerKey): Buffer => Buffer.from(key, 'hex');
export const customerKeyFromBytes = (bytes: Uint8Array): CustomerKey =>
  Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex') as CustomerKey;

/** A state key for a subject that is only a decision (no customer, no anonymousId): the decision's own 16 bytes. */
export const customerKeyOfDecision = (id: DecisionId): CustomerKey => id.replaceAll('-', '') as CustomerKey;
