import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TOPICS } from '#contracts';
import { openLmdbLog } from './open-lmdb-log.ts';

/** Appends, time passing, retention and reboots, on a history topic and a compacted one. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      topic: fc.constantFrom(TOPICS.events, TOPICS.controls),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retain' as const), maxAgeMs: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reboot' as const) }) },
);

it('law: offsetAt is the first record taken at or after the time, whatever gaps there are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.array(fc.nat(800), { minLength: 5, maxLength: 5 }), async (steps, times) => {
      const dir = await mkdtemp(join(tmpdir(), 'attune-log-'));
      let nowMs = 0;
      let boots = 0;
      const open = () => openLmdbLog({ dir, partitions: 1, now: () => nowMs, bootId: `boot ${boots}` });
      let log = await open();
      for (const each of steps) {
        if (each.kind === 'append')
          await log.append(
            Array.from({ length: each.count }, (_, index) => ({
              topic: each.topic,
              shard: 0,
              key: Buffer.from([index % 4]),
              value: Buffer.alloc(3),
            })),
          );
        else if (each.kind === 'pass') nowMs += each.ms;
        else if (each.kind === 'retain') await log.retain({ nowMs, maxAgeMs: each.maxAgeMs, requiredGroups: [] });
        else {
          await log.close();
          boots += 1;
          log = await open();
        }
      }
      for (const topic of [TOPICS.events, TOPICS.controls]) {
        const records = log.readNow(topic, 0, 0, 10_000);
        const { first, next } = await log.offsets(topic, 0);
        expect(first).toBe(records[0]?.offset ?? next);
        for (const time of [...times, ...records.map(({ timestampMs }) => timestampMs)])
          expect(await log.offsetAt(topic, 0, time)).toBe(records.find(({ timestampMs }) => timestampMs >= time)?.offset ?? next);
        for (const [index, { offset }] of records.entries())
          expect(log.readNow(topic, 0, offset, 3).map((each) => each.offset)).toEqual(
            records.slice(index, index + 3).map((each) => each.offset),
          );
      }
      await log.close();
      await rm(dir, { recursive: true });
    }),
    { seed: 23, numRuns: 40 },
  );
}, 60_000);
