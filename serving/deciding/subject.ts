/** Whom a request is about: kind, id, key and shard, remembered for those who come back. */
import {
  customerKeyOfDecision,
  customerKeyToBytes,
  hash32,
  shardOf,
  type CustomerKey,
  type CustomerKeyFunction,
  type DecisionId,
} from '#contracts';

export interface Subject {
  readonly kind: string;
  /** Null: only the decision names it. */
  readonly id: string | null;
  readonly key: CustomerKey;
  readonly keyBytes: Buffer;
  readonly shard: number;
  readonly anonymous: boolean;
}

export interface Subjects {
  find(kind: 'customer' | 'anonymous', id: string): Subject;
  /** After erasure nothing in memory holds the id. */
  forget(key: CustomerKey): void;
}

/** Two generations: full, the younger becomes the older, and what nobody asked for meanwhile is gone. */
export const createSubjects = (customerKey: CustomerKeyFunction, capacity = 50_000): Subjects => {
  let young = new Map<string, Subject>();
  let old = new Map<string, Subject>();
  return {
    find(kind, id) {
      const name = kind === 'customer' ? `c${id}` : `a${id}`;
      let subject = young.get(name);
      if (subject !== undefined) return subject;
      subject = old.get(name) ?? createSubject(customerKey, kind, id);
      if (young.size >= capacity) {
        old = young;
        young = new Map();
      }
      young.set(name, subject);
      return subject;
    },
    forget(key) {
      for (const generation of [young, old]) {
        for (const [name, subject] of generation) if (subject.key === key) generation.delete(name);
      }
    },
  };
};

const createSubject = (customerKey: CustomerKeyFunction, kind: 'customer' | 'anonymous', id: string): Subject => {
  const key = customerKey({ kind, id });
  return { kind, id, key, keyBytes: customerKeyToBytes(key), shard: shardOf(id), anonymous: kind === 'anonymous' };
};

/** A decision without customer or visitor stands for itself. */
export const subjectOfDecision = (id: DecisionId, shard: number): Subject => {
  const key = customerKeyOfDecision(id);
  return { kind: 'decision', id: null, key, keyBytes: customerKeyToBytes(key), shard, anonymous: true };
};

/** 64 bits that depend on nothing but who asks and the request's own id, so that a retry makes the same decision. */
export const entropyOfRequest = (key: CustomerKey | null, requestId: string): readonly [number, number] => [
  hash32(`${key ?? 'nobody'}:${requestId}`, 0x1d),
  hash32(`${key ?? 'nobody'}:${requestId}`, 0xe7),
];
