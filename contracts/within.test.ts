import { expect, test } from 'vitest';
import { within } from './within.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

test('what comes in time is handed on, and leaves no timer', async () => {
  const before = timers();
  expect(await within(60_000, Promise.resolve(1), 'late')).toBe(1);
  await expect(within(60_000, Promise.reject(new Error('no')), 'late')).rejects.toThrow('no');
  expect(timers()).toBe(before);
});

test('what does not is late, also when no time is left', async () => {
  for (const ms of [5, 0, -5]) expect(await within(ms, new Promise(() => undefined), 'late')).toBe('late');
});
