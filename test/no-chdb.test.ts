/** Where chdb is not installed the system decides and learns all the same, and the log keeps what the warehouse will need. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { TOPICS } from '#contracts';
import { openLmdbLog } from '#event-log';
import { freePort } from './free-port.ts';
import { createSend } from './send.ts';
import { startSystem } from './system.ts';

test('without chdb it says so, decides, and the log keeps every record for the warehouse', { timeout: 150_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-no-chdb-'));
  const hook = pathToFileURL(join(import.meta.dirname, 'without-chdb.mjs')).href;
  const system = await startSystem({
    dataDir,
    port: await freePort(),
    warehousePort: await freePort(),
    env: { NODE_OPTIONS: `--import ${hook}` },
  });
  try {
    const send = createSend(system.url);
    await expect
      .poll(() => system.tail.join('\n'), { timeout: 30_000 })
      .toMatch(/warehouse does not run on this machine; everything else goes on, and the log keeps/);
    expect(system.tail.join('\n')).toMatch(/chdb/);
    await send('POST', '/v1/events', {
      specversion: '1.0',
      id: 'e-1',
      source: '/no-chdb',
      type: 'customer.updated',
      subject: 'c-1',
      data: { plan: 'basic', consentMarketing: true },
    });
    const decided = await send<{ decisionId: string; actions: { actionId: string }[] }>('POST', '/v1/decisions', {
      customerId: 'c-1',
      channel: 'app',
      // Its own candidate is always chosen; of the catalog's, none may be.
      candidates: [{ id: 'only' }],
    });
    const { actionId } = decided.actions[0]!;
    await send('POST', '/v1/outcomes', { decisionId: decided.decisionId, actionId, outcome: 'accepted', outcomeId: 'o-1' });
    const log = await openLmdbLog({ dir: join(dataDir, 'event-log'), partitions: 8 });
    try {
      // The reward shows that pipeline runs; the record group has committed nothing, so retention waits for it.
      await expect.poll(() => log.lag('record', [TOPICS.rewards]), { timeout: 30_000 }).toBeGreaterThan(0);
      expect(await log.lag('record', [TOPICS.decisions])).toBe(1);
      expect(await log.lag('record', [TOPICS.outcomes])).toBe(1);
    } finally {
      await log.close();
    }
  } finally {
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
