import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { DeadLetter } from '#contracts';
import { TOPICS } from '#contracts';
import { createBlockLane } from './block-lane.ts';

const letter: DeadLetter = { topic: TOPICS.events, partition: 0, offset: 0, reason: 'r', message: 'm', payload: Buffer.from('p'), at: 0 };
const OCTOBER = Date.UTC(2026, 9, 31);
const NOVEMBER = Date.UTC(2026, 10, 1);

/** A warehouse whose inserts end when they are told to. */
const laneUnderTest = (options: { readonly blockRows?: number; readonly blockMs?: number; readonly held?: boolean } = {}) => {
  const sent: { readonly rows: number; readonly token: string }[] = [];
  const ends: (() => void)[] = [];
  const lane = createBlockLane('dead_letters', {
    blockRows: options.blockRows ?? 100,
    blockMs: options.blockMs ?? 60_000,
    insert: async (_table, rows, _bytes, token) => {
      sent.push({ rows, token });
      if (options.held === true) await new Promise<void>((resolve) => ends.push(resolve));
    },
  });
  const add = (partition: number, offset: number, timestampMs = NOVEMBER): void =>
    lane.add(letter, { epoch: 7, partition, offset, timestampMs });
  return { lane, add, sent, ends };
};

describe('blocks of rows', () => {
  test('hold rows of any partition, as many as were asked for', async () => {
    const { lane, add, sent } = laneUnderTest({ blockRows: 3 });
    for (let offset = 0; offset < 7; offset++) add(offset % 4, offset);
    await lane.flush();
    expect(sent.map(({ rows }) => rows)).toEqual([3, 3, 1]);
    expect(lane.waiting).toBe(0);
  });

  test('the same rows have the same token, others have another', async () => {
    const tokenOf = async (rows: readonly (readonly [number, number])[]): Promise<string> => {
      const { lane, add, sent } = laneUnderTest();
      for (const [partition, offset] of rows) add(partition, offset);
      await lane.flush();
      return sent[0]!.token;
    };
    const token = await tokenOf([
      [0, 5],
      [1, 9],
      [0, 6],
    ]);
    expect(token).toMatch(/^dead_letters\/[0-9a-f]{32}$/);
    expect(
      await tokenOf([
        [1, 9],
        [0, 5],
        [0, 6],
      ]),
    ).toBe(token);
    expect(
      await tokenOf([
        [0, 5],
        [1, 9],
      ]),
    ).not.toBe(token);
    expect(
      await tokenOf([
        [0, 5],
        [1, 9],
        [0, 7],
      ]),
    ).not.toBe(token);
  });

  test('never of two months, since a block must be one part', async () => {
    const { lane, add, sent } = laneUnderTest();
    add(0, 0, OCTOBER);
    add(0, 1, OCTOBER);
    add(0, 2, NOVEMBER);
    await lane.flush();
    expect(sent.map(({ rows }) => rows)).toEqual([2, 1]);
  });

  test('go one after the other; what comes while one is on its way grows into the next, however long that takes', async () => {
    const { lane, add, sent, ends } = laneUnderTest({ blockMs: 5, held: true });
    add(0, 0);
    await expect.poll(() => sent.length).toBe(1);
    for (let offset = 1; offset < 6; offset++) {
      add(0, offset);
      await delay(4);
    }
    expect(sent.length).toBe(1);
    ends.shift()!();
    await expect.poll(() => sent.length).toBe(2);
    expect(sent[1]!.rows).toBe(5);
    ends.shift()!();
    await lane.flush();
  });

  test('are full at two on their way, and have room when one is in', async () => {
    const { lane, add, ends } = laneUnderTest({ blockRows: 1, held: true });
    add(0, 0);
    expect(lane.full).toBe(false);
    add(0, 1);
    expect(lane.full).toBe(true);
    const room = lane.room();
    await expect.poll(() => ends.length).toBe(1);
    ends.shift()!();
    await room;
    await expect.poll(() => ends.length).toBe(1);
    ends.shift()!();
    await lane.flush();
    expect(lane.full).toBe(false);
  });
});
