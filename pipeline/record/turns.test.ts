import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTurns } from './turns.ts';

describe('turns', () => {
  test('one at a time, in the order of asking, whatever each takes', async () => {
    const take = createTurns();
    const seen: string[] = [];
    const work = async (name: string, ms: number): Promise<void> => {
      const turn = await take();
      seen.push(`${name} begins`);
      await delay(ms);
      seen.push(`${name} ends`);
      turn.end();
    };
    await Promise.all([work('a', 15), work('b', 1), work('c', 5)]);
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  test('who waits outside lets others in, and comes back behind them', async () => {
    const take = createTurns();
    const seen: string[] = [];
    const door = Promise.withResolvers<void>();
    const waits = async (): Promise<void> => {
      const turn = await take();
      await turn.outside(() => door.promise);
      seen.push('a is back');
      turn.end();
    };
    const works = async (): Promise<void> => {
      const turn = await take();
      seen.push('b works');
      door.resolve();
      await delay(5);
      seen.push('b ends');
      turn.end();
    };
    await Promise.all([waits(), works()]);
    expect(seen).toEqual(['b works', 'b ends', 'a is back']);
  });

  test('a failure outside is told, inside a turn that must be ended', async () => {
    const take = createTurns();
    const turn = await take();
    await expect(turn.outside(() => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
    turn.end();
    turn.end();
    (await take()).end();
  });
});
