/** Vitest is kinder to CommonJS packages than Node: it finds names in them that Node does not. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the event log loads in plain Node, every adapter of it', async () => {
  const index = new URL('./index.ts', import.meta.url).href;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', `import('${index}').then(() => console.log('loaded'))`]);
  expect(stdout).toBe('loaded\n');
});
