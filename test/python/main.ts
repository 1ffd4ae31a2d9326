/**
 * `npm run test:python`: what Python's tools make of a running system and of its exports. Ends with `N passed, N failed`.
 *
 * Without Python all of it is skipped, and says so; where engines are required (CI) that is a failure.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { startPilot } from '../../notebooks/pilot.ts';
import { preparePython } from '../../notebooks/python-environment.ts';

const python = preparePython('test/python/requirements.txt', (line) => console.log(`test:python: ${line}`));
if (python === null) {
  console.log('skipped: test/python, because there is no Python to run it');
  process.exit(process.env['ATTUNE_TEST_ENGINES'] === 'required' ? 1 : 0);
}
const pilot = await startPilot();
const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--durations=5', import.meta.dirname, ...process.argv.slice(2)];
const { status, stdout } = spawnSync(python, args, {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, ...pilot.env, PYTHONPYCACHEPREFIX: resolve(import.meta.dirname, '../../.attune/pycache') },
});
await pilot.stop();
process.stdout.write(stdout);
const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(stdout.trimEnd().split('\n').at(-1)!)?.[1] ?? 0);
const failed = count('failed') + count('errors?') + (status === 0 || count('failed') + count('errors?') > 0 ? 0 : 1);
console.log(`${count('passed')} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
