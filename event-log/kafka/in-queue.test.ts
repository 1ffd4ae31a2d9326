import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { TOPICS } from '#contracts';
import type { LogRecord } from '../port.ts';
import { InQueue } from './in-queue.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const topic = TOPICS.events;
const recordAt = (offset: number): LogRecord => ({ topic, partition: 0, offset, timestampMs: 1, key: null, value: Buffer.alloc(0) });
const queueAt0 = (): InQueue => new InQueue({ topic, kafkaTopic: topic, partition: 0, position: 0, onArrival: () => undefined });

describe('a queue of fetched records', () => {
  it('lets go of each record that was taken, while others wait', async () => {
    const queue = queueAt0();
    queue.arrive([0, 1, 2].map(recordAt), 3, 3);
    const taken = new WeakRef(queue.take());
    const waiting = new WeakRef(queue.peek()!);
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(taken.deref()).toBeUndefined();
    expect(waiting.deref()).toMatchObject({ offset: 1 });
  });

  it('stays as small as what waits when it is never empty, and in order', () => {
    const queue = queueAt0();
    let next = 0;
    const arrive = (count: number): void => {
      const records = Array.from({ length: count }, (_, index) => recordAt(next + index));
      queue.arrive(records, (next += count), next);
    };
    arrive(3_000);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let offset = 0; offset < 1_000_000; offset += 1) {
      if (offset % 1_000 === 0) arrive(1_000);
      if (queue.take().offset !== offset) throw new Error(`offset ${offset} is missing`);
    }
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
    expect(queue.takenUpTo).toBe(1_000_000);
  });
});
