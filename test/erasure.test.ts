/**
 * Law 9 on the whole system: after an erasure no byte of the customer's id, name or email is in a live store's files.
 * The raw log is exempt: it forgets by retention, at most 30 days.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { freePort } from './free-port.ts';
import { createSend, type Send } from './send.ts';
import { startSystem, type System } from './system.ts';

const ID = 'erase-me-7f3a9c';
const NAME = 'Zebulon Quackenbush';
const EMAIL = 'zebulon.q@erasure.example';
const OTHERS = 30;

const customers = [ID, ...Array.from({ length: OTHERS }, (_, i) => `stay-${i}`)];

const event = (subject: string, round: number) => ({
  specversion: '1.0',
  // The sender's own id of the event is not the customer's.
  id: `e-${customers.indexOf(subject)}-${round}`,
  source: '/erasure',
  type: 'customer.updated',
  subject,
  data: {
    plan: 'basic',
    segment: 'consumer',
    consentMarketing: true,
    tenureMonths: round,
    name: subject === ID ? NAME : 'Somebody Else',
    email: subject === ID ? EMAIL : 'somebody@else.example',
  },
});

/** Where a customer's bytes are, the log aside. */
const traces = (dir: string): string[] =>
  filesIn(dir).flatMap((path) => {
    const name = relative(dir, path);
    if (name.startsWith('event-log')) return [];
    const bytes = readOrNull(path);
    return bytes === null ? [] : [ID, NAME, EMAIL].filter((secret) => bytes.includes(secret)).map((secret) => `${name}: ${secret}`);
  });

/** The warehouse drops folders and files while we look; what is gone holds nothing. */
const filesIn = (dir: string): string[] => {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? filesIn(path) : entry.isFile() ? [path] : [];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

const readOrNull = (path: string): Buffer | null => {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

const status = async (system: System, path: string): Promise<number> => {
  const response = await fetch(`${system.url}${path}`);
  await response.arrayBuffer();
  return response.status;
};

const liveAlong = async (send: Send): Promise<string[]> => {
  const ofErased: string[] = [];
  for (let round = 0; round < 5; round++) {
    await send(
      'POST',
      '/v1/events',
      customers.map((subject) => event(subject, round)),
    );
    await delay(300);
    for (const customerId of customers) {
      const { decisionId, actions } = await send<{ decisionId: string; actions: { actionId: string }[] }>('POST', '/v1/decisions', {
        customerId,
        channel: 'app',
        limit: 1,
      });
      if (customerId === ID) ofErased.push(decisionId);
      if (actions[0] === undefined) continue;
      await send('POST', '/v1/outcomes', { decisionId, actionId: actions[0].actionId, outcome: 'accepted', outcomeId: `${decisionId}-o` });
    }
  }
  return ofErased;
};

test('no byte of an erased customer is in a live store, and nobody is shown what was', { timeout: 300_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-erasure-'));
  const start = async () => startSystem({ dataDir, port: await freePort(), warehousePort: await freePort() });
  let system = await start();
  try {
    let send = createSend(system.url);
    const decisions = await liveAlong(send);
    // The test sees what it looks for: the state holds the name. The learner's rows hold nothing of the kind from the start.
    await expect.poll(() => traces(dataDir).join('\n'), { timeout: 60_000 }).toMatch(/feature-store.*Zebulon/);
    expect(traces(dataDir).filter((trace) => trace.startsWith('learner'))).toEqual([]);

    await send('DELETE', `/v1/customers/${ID}`);
    expect(await status(system, `/v1/customers/${ID}`)).toBe(404);
    for (const id of decisions) expect(await status(system, `/v1/decisions/${id}`)).toBe(404);
    await expect.poll(() => traces(dataDir), { timeout: 60_000, interval: 500 }).toEqual([]);

    await system.stop();
    expect(traces(dataDir)).toEqual([]);
    system = await start();
    send = createSend(system.url);
    await send('POST', '/v1/events', event('stay-1', 99));
    await delay(2_000);
    expect(traces(dataDir)).toEqual([]);
    expect(await status(system, `/v1/customers/${ID}`)).toBe(404);
    expect(await status(system, `/v1/decisions/${decisions[0]!}`)).toBe(404);
    expect(await status(system, '/v1/customers/stay-1')).toBe(200);
  } finally {
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
