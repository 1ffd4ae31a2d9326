/** How records lie in LMDB: keys that sort by topic, partition, offset, and the heads that say where each partition ends. */
import type { Topic } from '#contracts';

/** On disk for ever: never renumber, only append. */
const TOPIC_IDS: Readonly<Record<Topic, number>> = {
  'attune.events': 1,
  'attune.decisions': 2,
  'attune.outcomes': 3,
  'attune.rewards': 4,
  'attune.communications': 5,
  'attune.dead-letters': 6,
  'attune.models': 7,
  'attune.controls': 8,
  'attune.erasures': 9,
};

export const ALL_TOPICS = Object.keys(TOPIC_IDS) as readonly Topic[];

export function topicId(topic: Topic): number {
  return TOPIC_IDS[topic];
}

/** Eight bytes: topic, partition, offset (48 bits, big endian), so that byte order is reading order. */
export function recordKey(topic: Topic, partition: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key[0] = topicId(topic);
  key[1] = partition;
  key.writeUIntBE(offset, 2, 6);
  return key;
}

export function offsetOfKey(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUIntBE(2, 6);
}

/** Where each partition of a topic ends: 16 bytes a partition, the next offset and the newest timestamp, both float64. */
export class Heads {
  readonly bytes: Buffer;

  constructor(partitions: number, stored?: Uint8Array) {
    this.bytes = Buffer.alloc(partitions * 16);
    if (stored !== undefined) this.bytes.set(stored);
  }

  next(partition: number): number {
    return this.bytes.readDoubleLE(partition * 16);
  }

  timestampMs(partition: number): number {
    return this.bytes.readDoubleLE(partition * 16 + 8);
  }

  set(partition: number, next: number, timestampMs: number): void {
    this.bytes.writeDoubleLE(next, partition * 16);
    this.bytes.writeDoubleLE(timestampMs, partition * 16 + 8);
  }
}

/** Topic ids begin at 1: keys under 0 are the log's own. */
export const META_KEY = Buffer.from([0, 0]);

export function headsKey(topic: Topic): Buffer {
  return Buffer.from([0, topicId(topic)]);
}

/** Under it stands the number of the journal's newest entry that the log holds. */
export function journalKey(journal: string): Buffer {
  return Buffer.concat([Buffer.from([0, 255]), Buffer.from(journal, 'hex')]);
}
