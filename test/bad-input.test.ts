/** Bad input on the whole system: a client's is refused with the field named, the log's becomes a dead letter, and everything goes on. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, type Topic } from '#contracts';
import { openLmdbLog, type Position } from '#event-log';
import { listDeadLetters } from '#pipeline';
import { freePort } from './free-port.ts';
import { embeddedEnv } from './embedded-env.ts';
import { createSend, type Send } from './send.ts';
import { startSystem, type System } from './system.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'attune-bad-'));
const dataDir = join(scratch, 'data');
const catalogDir = join(scratch, 'catalog');
const POISON = Buffer.from('this is no record of ours');
const INPUTS: readonly Topic[] = Object.values(TOPICS).filter((topic) => topic !== TOPICS.deadLetters);
/** Whose readers write dead letters; a follower's poison is told in the log of its process. */
const LETTERED: ReadonlySet<Topic> = new Set([
  TOPICS.events,
  TOPICS.decisions,
  TOPICS.outcomes,
  TOPICS.communications,
  TOPICS.rewards,
  TOPICS.erasures,
]);

let system: System;
let send: Send;
beforeAll(async () => {
  cpSync(join(ROOT, 'catalog/telco'), catalogDir, { recursive: true });
  system = await startSystem({
    dataDir,
    port: await freePort(),
    warehousePort: await freePort(),
    env: { ATTUNE_CATALOG: catalogDir, ATTUNE_LOG_LEVEL: 'warn' },
  });
  send = createSend(system.url);
}, 120_000);
afterAll(async () => {
  await system?.stop();
  rmSync(scratch, { recursive: true, force: true });
}, 60_000);

const until = async <T>(ask: () => Promise<T> | T, good: (answer: T) => boolean, withinMs = 60_000): Promise<T> => {
  for (const endMs = performance.now() + withinMs; ; await delay(100)) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (performance.now() > endMs) throw new Error(`still ${JSON.stringify(answer)}\n${system.tail.slice(-30).join('\n')}`);
  }
};
const event = (id: string, more: object = {}) => ({
  specversion: '1.0',
  id,
  source: '/bad',
  type: 'customer.updated',
  subject: 'bad-1',
  data: { plan: 'basic' },
  ...more,
});
const decide = { customerId: 'bad-1', channel: 'app', limit: 2 };
const attune = (args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'cli/attune.mjs'), ...args],
      { env: { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_CATALOG: catalogDir, ATTUNE_PORT: '0' }, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr }),
    );
  });

test.each([
  ['malformed JSON', '/v1/decisions', '{"customerId":', 'application/json', 400, /JSON/i],
  ['an empty body', '/v1/decisions', '', 'application/json', 400, /body/i],
  ['a wrong type', '/v1/decisions', JSON.stringify({ ...decide, limit: 'two' }), 'application/json', 400, /limit/],
  ['an unknown field', '/v1/decisions', JSON.stringify({ ...decide, colour: 1 }), 'application/json', 400, /colour/],
  ['an unknown channel', '/v1/decisions', JSON.stringify({ ...decide, channel: 'pigeon' }), 'application/json', 400, /channel/],
  ['an unknown event type', '/v1/events', JSON.stringify(event('a', { type: 'no.such' })), 'application/json', 400, /type/],
  ['a type of Attune’s own', '/v1/events', JSON.stringify(event('a', { type: 'attune.timer' })), 'application/json', 400, /type/],
  ['data of a wrong type', '/v1/events', JSON.stringify(event('a', { data: { plan: 7 } })), 'application/json', 400, /data\.plan/],
  [
    'one bad event of a batch',
    '/v1/events',
    JSON.stringify([event('a'), event('b', { subject: '' })]),
    'application/json',
    400,
    /1\.subject/,
  ],
  [
    'an outcome without a decision',
    '/v1/outcomes',
    JSON.stringify({ actionId: 'x', outcome: 'accepted' }),
    'application/json',
    400,
    /decisionId/,
  ],
  ['another content type', '/v1/decisions', '<decide/>', 'text/xml', 415, /content|media/i],
  [
    'a body over 1 MiB',
    '/v1/events',
    JSON.stringify(event('a', { data: { plan: 'x'.repeat(1_100_000) } })),
    'application/json',
    413,
    /large|body/i,
  ],
] as const)('%s is refused, and the answer names what is wrong', async (_, path, body, type, status, named) => {
  const response = await fetch(`${system.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
  const text = await response.text();
  expect(response.status, text).toBe(status);
  expect(JSON.parse(text)).toMatchObject({ status });
  expect(text).toMatch(named);
});

test('poison on every topic becomes a dead letter or a loud line, and nothing else is lost', { timeout: 180_000 }, async () => {
  const log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
  const poisoned: Position[] = [];
  const append = async (shard: number): Promise<void> => {
    poisoned.push(...(await log.append(INPUTS.map((topic) => ({ topic, shard, key: Buffer.from(`poison-${shard}`), value: POISON })))));
  };
  try {
    await send('POST', '/v1/events', event('before'));
    await append(3);
    await append(5);
    await send('POST', '/v1/events', event('after', { data: { plan: 'premium' } }));
    await until(
      () => send<object>('GET', '/v1/customers/bad-1').catch(() => ({})),
      (view) => JSON.stringify(view).includes('"premium"'),
    );
    const expected = poisoned
      .filter(({ topic }) => LETTERED.has(topic))
      .map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`);
    const letters = await until(
      () => listDeadLetters(log),
      (found) => expected.every((at) => found.some(({ topic, partition, offset }) => `${topic}/${partition}@${offset}` === at)),
    );
    for (const letter of letters) {
      expect(letter.reason).toBe('record.unreadable');
      expect(letter.message).not.toBe('');
      expect(letter.payload.equals(POISON)).toBe(true);
    }
    expect(letters).toHaveLength(expected.length);
    // A restart reads the followed topics from their beginning, poison included.
    system.kill('pipeline');
    system.kill('serve');
    await send('POST', '/v1/events', event('again', { data: { plan: 'unlimited' } })).catch(() => undefined);
    await until(
      () => send<object>('GET', '/v1/customers/bad-1').catch(() => ({})),
      (view) => JSON.stringify(view).includes('"unlimited"') || JSON.stringify(view).includes('"premium"'),
    );
    await until(
      async () => {
        await send('POST', '/v1/events', event(`late-${Math.random()}`, { data: { plan: 'standard' } })).catch(() => undefined);
        return send<object>('GET', '/v1/customers/bad-1').catch(() => ({}));
      },
      (view) => JSON.stringify(view).includes('"standard"'),
    );
    expect((await send<{ decisionId: string }>('POST', '/v1/decisions', decide)).decisionId).toHaveLength(36);
    expect(await listDeadLetters(log)).toHaveLength(expected.length);
  } finally {
    await log.close();
  }
});

test('dead letters are listed with reason and position, and given back', { timeout: 120_000 }, async () => {
  const listed = await attune(['dead-letters', 'list', '--topic', TOPICS.outcomes]);
  expect(listed.output).toMatch(/attune\.outcomes\/3@\d+ .*record\.unreadable.* this is no record of ours/);
  expect(listed.output).toContain('2 dead letters');
  const replayed = await attune(['dead-letters', 'replay', '--topic', TOPICS.outcomes, '--limit', '1']);
  expect(replayed.output).toContain('1 records given back');
  await until(
    async () => (await attune(['dead-letters', 'list', '--topic', TOPICS.outcomes])).output,
    (output) => output.includes('3 dead letters'),
  );
});

test('a corrupt catalog leaves the good one in force and names file and line; at a start it stops', { timeout: 120_000 }, async () => {
  const file = join(catalogDir, 'policies.yaml');
  const good = readFileSync(file);
  const version = async () => (await send<{ catalogVersion: string }>('POST', '/v1/decisions', decide)).catalogVersion;
  const before = await version();
  writeFileSync(file, 'contactPolicy:\n  - id: broken\n    require: "customer.plan ==="\n');
  await until(
    () => system.tail.join('\n'),
    (text) => /policies\.yaml:3/.test(text),
  );
  expect(await version()).toBe(before);
  const started = await attune(['up', '--no-demo']);
  expect(started.output).toMatch(/policies\.yaml:3/);
  expect(started.code).not.toBe(0);
  writeFileSync(file, good);
  expect(await version()).toBe(before);
});
