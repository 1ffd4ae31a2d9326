import { spawn } from 'node:child_process';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { nicenessOf, setNiceness } from './niceness.ts';

test('the API runs above the other roles, and whoever asks stays as it was', () => {
  const own = getPriority();
  expect(nicenessOf('api')).toBeLessThan(nicenessOf('pipeline'));
  expect(nicenessOf('warehouse')).toBe(nicenessOf('pipeline'));
  expect(getPriority()).toBe(own);
});

test('a process is given its place, and one that is gone is left alone', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1_000)']);
  setNiceness(child.pid, 3);
  expect(getPriority(child.pid)).toBe(Math.min(19, getPriority() + 3));
  child.kill();
  await new Promise((resolve) => child.once('exit', resolve));
  setNiceness(child.pid, 3);
});
