/** What reservations promise, whatever keeps them: part of the suite that each adapter's test runs. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reservations } from './reservations.ts';

const holderOf = (n: number): Buffer => Buffer.alloc(16, n);

/** @param open the same content each time, as another process would */
export const describeReservations = (open: () => Promise<Reservations>): void => {
  describe('reservations', () => {
    test('of holders that race over processes, as many get a place as there are', async () => {
      const both = [await open(), await open()];
      const got = await Promise.all(
        Array.from({ length: 40 }, (_, i) => both[i % 2]!.reserve('cap', holderOf(i), { nowMs: 10, untilMs: 100, max: 7 })),
      );
      expect(got.filter(Boolean)).toHaveLength(7);
      expect(await both[0]!.held('cap', 10)).toBe(7);
      expect(await both[1]!.held('cap', 99)).toBe(7);
      expect(await both[0]!.held('cap', 100)).toBe(0);
      expect(await both[0]!.held('ca', 10)).toBe(0);
    });

    test('a holder that asks again counts once and keeps its first end; a place that is released is free', async () => {
      const reservations = await open();
      expect(await reservations.reserve('cap', holderOf(1), { nowMs: 10, untilMs: 100, max: 1 })).toBe(true);
      expect(await reservations.reserve('cap', holderOf(1), { nowMs: 20, untilMs: 900, max: 1 })).toBe(true);
      expect(await reservations.held('cap', 20)).toBe(1);
      expect(await reservations.held('cap', 100)).toBe(0);
      expect(await reservations.reserve('cap', holderOf(2), { nowMs: 20, untilMs: 900, max: 1 })).toBe(false);
      await reservations.release('cap', holderOf(2));
      expect(await reservations.held('cap', 20)).toBe(1);
      await reservations.release('cap', holderOf(1));
      await reservations.release('cap', holderOf(1));
      expect(await reservations.held('cap', 20)).toBe(0);
      expect(await reservations.reserve('cap', holderOf(2), { nowMs: 20, untilMs: 900, max: 1 })).toBe(true);
    });

    test('a bound that was lowered lets nobody in until enough have ended, and puts nobody out', async () => {
      const reservations = await open();
      for (let n = 0; n < 4; n++) await reservations.reserve('cap', holderOf(n), { nowMs: 1, untilMs: 10 + n, max: 4 });
      expect(await reservations.reserve('cap', holderOf(9), { nowMs: 11, untilMs: 90, max: 2 })).toBe(false);
      expect(await reservations.reserve('cap', holderOf(3), { nowMs: 11, untilMs: 90, max: 2 })).toBe(true);
      expect(await reservations.reserve('cap', holderOf(9), { nowMs: 12, untilMs: 90, max: 2 })).toBe(true);
    });

    test('a thousand and more that end at one moment make room at once', async () => {
      const reservations = await open();
      const reserve = (n: number, nowMs: number) => {
        const holder = Buffer.alloc(4);
        holder.writeUInt32BE(n);
        return reservations.reserve('cap', holder, { nowMs, untilMs: nowMs + 100, max: 2_100 });
      };
      const first = await Promise.all(Array.from({ length: 2_101 }, (_, n) => reserve(n, 50)));
      expect(first.filter(Boolean)).toHaveLength(2_100);
      expect(await reservations.held('cap', 150)).toBe(0);
      expect(await reserve(5_000, 150)).toBe(true);
      expect(await reservations.held('cap', 150)).toBe(1);
    }, 60_000);

    const mistakes = [
      ['reservation.name', '', holderOf(1), 1, 2, 1],
      ['reservation.name', 'x'.repeat(257), holderOf(1), 1, 2, 1],
      ['reservation.holder', 'cap', Buffer.alloc(0), 1, 2, 1],
      ['reservation.time', 'cap', holderOf(1), 0.5, 2, 1],
      ['reservation.time', 'cap', holderOf(1), 1, -2, 1],
      ['reservation.max', 'cap', holderOf(1), 1, 2, 1.5],
    ] as const;
    test('with a mistake are refused, by a code that names it', async () => {
      const reservations = await open();
      for (const [code, name, holder, nowMs, untilMs, max] of mistakes)
        await expect(reservations.reserve(name, holder, { nowMs, untilMs, max })).rejects.toMatchObject({ code });
    });

    test('law: whoever reserves and releases in whatever order, places are those of a plain count', async () => {
      const reservations = await open();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
          const name = randomUUID();
          const ends = new Map<number, number>();
          let nowMs = 0;
          const held = (atMs: number): number => [...ends.values()].filter((end) => end > atMs).length;
          for (const { later, forMs, holder, max, releases } of steps) {
            nowMs += later;
            if (releases) {
              await reservations.release(name, holderOf(holder));
              ends.delete(holder);
              continue;
            }
            const has = (ends.get(holder) ?? 0) > nowMs;
            const granted = has || held(nowMs) < max;
            expect(await reservations.reserve(name, holderOf(holder), { nowMs, untilMs: nowMs + forMs, max })).toBe(granted);
            if (granted && !has) ends.set(holder, nowMs + forMs);
            for (const ahead of [0, 2]) expect(await reservations.held(name, nowMs + ahead)).toBe(held(nowMs + ahead));
          }
        }),
        { seed: 20_261_130, numRuns: 40 },
      );
    }, 60_000);
  });
};

const step = fc.record({
  later: fc.integer({ min: 0, max: 2 }),
  forMs: fc.integer({ min: 0, max: 6 }),
  holder: fc.integer({ min: 1, max: 6 }),
  max: fc.integer({ min: 0, max: 3 }),
  releases: fc.boolean(),
});
