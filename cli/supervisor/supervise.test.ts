import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { EXIT } from '../exit-codes.ts';
import { supervise } from './supervise.ts';
import type { Supervised } from './supervise.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-supervise-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A role as a script of a few lines. */
const start = (name: string, script: string) => {
  const entry = join(folder, `${name}.mjs`);
  writeFileSync(entry, script);
  const lines: string[] = [];
  const pids: number[] = [];
  const givenUp: number[] = [];
  const role: Supervised = supervise({
    role: name,
    entry,
    args: [],
    env: process.env,
    onLine: (_, line) => lines.push(line),
    onMessage: (_, message) => {
      if (message.kind === 'ready') pids.push(role.pid!);
    },
    onGivenUp: (_, code) => givenUp.push(code),
  });
  return { role, lines, pids, givenUp };
};
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 1_000 && !condition(); i++) await delay(20);
  expect(condition()).toBe(true);
};

const LIVES = `
  process.on('message', ({ kind }) => { if (kind === 'stop') { console.log('drained'); process.exit(0); } });
  process.on('disconnect', () => process.exit(0));
  process.send({ kind: 'ready', detail: '', port: null });`;

describe('a supervised role', () => {
  test('it is started again after kill -9, and drains when it is asked to stop', async () => {
    const { role, lines, pids } = start('lives', LIVES);
    await until(() => pids.length === 1);
    process.kill(pids[0]!, 'SIGKILL');
    await until(() => pids.length === 2);
    expect(pids[1]).not.toBe(pids[0]);
    expect(lines[0]).toMatch(/^died \(SIGKILL\); starting it again in 200 ms$/);
    await role.stop();
    expect(lines).toContain('drained');
    expect(role.pid).toBeUndefined();
    await role.stop();
  });

  test('it is not started again when it says that this is useless', async () => {
    const { role, givenUp, lines } = start('unusable', `console.error('port eighty is no port'); process.exitCode = ${EXIT.unusable};`);
    await until(() => givenUp.length === 1);
    expect(givenUp).toEqual([EXIT.unusable]);
    expect(lines).toEqual(['port eighty is no port']);
    await role.stop();
  });

  test('stopping does not wait for a backoff', async () => {
    const { role, lines } = start('dies', 'process.exitCode = 1;');
    await until(() => lines.length === 3);
    const begunMs = performance.now();
    await role.stop();
    expect(performance.now() - begunMs).toBeLessThan(700);
  });
});
