/** Buckets: 1,024 hash tags, so that what belongs together is on one node, and more partitions or nodes move no data within a node. */
import { hash32 } from '#contracts';

export const BUCKETS = 1024;

/** A partition key's bucket; independent of the number of partitions. */
export const bucketOf = (shard: number): number => shard % BUCKETS;

/** For what has no shard: blobs, requests, leases. */
export const bucketOfText = (text: string): number => hash32(text) % BUCKETS;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Two characters, between braces in every key: Redis Cluster hashes only them. */
export const tagOf = (bucket: number): string => DIGITS[bucket >> 6]! + DIGITS[bucket & 63]!;

const bucketOfDigits = new Map(DIGITS.split('').map((digit, i) => [digit, i]));
/** -1: no tag of ours. */
export const bucketOfTag = (tag: string): number => (bucketOfDigits.get(tag[0]!) ?? -1024) * 64 + (bucketOfDigits.get(tag[1]!) ?? -65_536);

/** Of a bucket's keys in a Redis Cluster: CRC-16 (XMODEM) of the tag, modulo 16,384. */
export const slotOf = (bucket: number): number => {
  let crc = 0;
  for (const byte of Buffer.from(tagOf(bucket), 'latin1')) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc % 16_384;
};
