import { describe, expect, it } from 'vitest';
import { TOPICS } from '#contracts';
import { OutQueue, type Call, type Item } from './out-queue.ts';

const producer = { id: '1', epoch: 0 };
const call: Call = {
  deadlineMs: Infinity,
  positions: [],
  missing: 1,
  isOver: false,
  settled: Promise.resolve(),
  resolve: () => undefined,
  reject: () => undefined,
};
const item: Item = { call, index: 0, key: null, value: Buffer.alloc(1) };

describe('a queue of records to write', () => {
  it('numbers as Kafka does: 0 follows 2^31 - 1, within a batch and between two', () => {
    const queue = new OutQueue(TOPICS.events, TOPICS.events, 0);
    const firstNumberAfter = (firstSequence: number, records: number): number => {
      queue.waiting.push(...Array.from({ length: records }, () => item));
      const batch = queue.take(producer)!;
      queue.succeed({ ...batch, firstSequence });
      queue.waiting.push(item);
      const next = queue.take(producer)!;
      queue.succeed(next);
      return next.firstSequence;
    };
    expect(firstNumberAfter(2 ** 31 - 2, 1)).toBe(2 ** 31 - 1);
    expect(firstNumberAfter(2 ** 31 - 1, 1)).toBe(0);
    expect(firstNumberAfter(2 ** 31 - 2, 3)).toBe(1);
  });
});
