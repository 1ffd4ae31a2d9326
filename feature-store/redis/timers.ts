/** Timers on Redis: small hashes by bucket and two hours of time; a bucket is asked when something of it may be due. */
import { partitionOf, SHARDS } from '#contracts';
import type { DueTimer, Timers } from '../port.ts';
import { BUCKETS, bucketOf } from './buckets.ts';
import type { Commands, Reply } from './commands.ts';
import { parseTimerField, TIMER_SLOT_MS, type Keys } from './keys.ts';

export interface RedisTimers extends Timers {
  /** A timer may stand there now. */
  note(bucket: number, dueMs: number): void;
  /** What is known may be wrong: the store lost something. */
  forget(): void;
}

/** A bucket's first timer is remembered; another process may have set an earlier one, so each is asked this often all the same. */
const ASK_AGAIN_MS = 5_000;

export const createRedisTimers = (commands: Commands, keys: Keys, partitions: number): RedisTimers => {
  /** Nothing of the bucket is due before. */
  const earliest = new Float64Array(BUCKETS);
  const askedAt = new Float64Array(BUCKETS).fill(-Infinity);
  const note = (bucket: number, dueMs: number): void => {
    earliest[bucket] = Math.min(earliest[bucket]!, dueMs);
  };
  const bucketsOf = Array.from({ length: partitions }, () => new Set<number>());
  for (let shard = 0; shard < SHARDS; shard++) bucketsOf[partitionOf(shard, partitions)]!.add(bucketOf(shard));

  const slotsOf = async (buckets: readonly number[]): Promise<readonly (readonly number[])[]> => {
    const replies = await commands.all(buckets.map((bucket) => ({ bucket, run: 'ZRANGE', args: [keys.slots(bucket), 0, -1] })));
    return replies.map((reply) => (reply as Buffer[]).map((slot) => Number(slot.toString('latin1'))));
  };

  const timersIn = async (slot: number, buckets: readonly number[]): Promise<readonly (readonly DueTimer[])[]> => {
    const replies = await commands.all(buckets.map((bucket) => ({ bucket, run: 'HGETALL', args: [keys.timers(bucket, slot)] })));
    return replies.map((reply, i) => parseTimers(reply as readonly Reply[], slot, buckets[i]!));
  };

  const read = async (asked: readonly number[], partition: number, nowMs: number, limit: number): Promise<DueTimer[]> => {
    const due: DueTimer[] = [];
    const bySlot = new Map<number, number[]>();
    const nowSlot = Math.floor(nowMs / TIMER_SLOT_MS);
    (await slotsOf(asked)).forEach((slots, i) => {
      for (const slot of slots) {
        if (slot > nowSlot) note(asked[i]!, slot * TIMER_SLOT_MS);
        else bySlot.set(slot, [...(bySlot.get(slot) ?? []), asked[i]!]);
      }
    });
    for (const slot of [...bySlot.keys()].toSorted((a, b) => a - b)) {
      const buckets = bySlot.get(slot)!;
      if (due.length >= limit) {
        for (const bucket of buckets) note(bucket, slot * TIMER_SLOT_MS);
        continue;
      }
      (await timersIn(slot, buckets)).forEach((timers, i) => {
        for (const timer of timers) {
          note(buckets[i]!, timer.dueMs);
          if (timer.dueMs <= nowMs && partitionOf(timer.shard, partitions) === partition) due.push(timer);
        }
      });
    }
    return due.toSorted((a, b) => a.dueMs - b.dueMs).slice(0, limit);
  };

  return {
    note,
    forget: () => void earliest.fill(0),
    async due(partition, nowMs, limit) {
      const at = performance.now();
      const asked = [...bucketsOf[partition]!].filter((bucket) => earliest[bucket]! <= nowMs || at - askedAt[bucket]! > ASK_AGAIN_MS);
      if (asked.length === 0) return [];
      // What is committed while they answer is noted after its commit, so it lowers this again.
      for (const bucket of asked) {
        earliest[bucket] = Infinity;
        askedAt[bucket] = at;
      }
      try {
        return await read(asked, partition, nowMs, limit);
      } catch (error) {
        for (const bucket of asked) earliest[bucket] = 0;
        throw error;
      }
    },
  };
};

const parseTimers = (pairs: readonly Reply[], slot: number, bucket: number): DueTimer[] => {
  const timers: DueTimer[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const dueMs = slot * TIMER_SLOT_MS + Number((pairs[i + 1] as Buffer).toString('latin1'));
    timers.push({ ...parseTimerField(pairs[i] as Buffer, bucket), dueMs });
  }
  return timers;
};
