/** Law 1 on the whole system: 1,000 receipts over two restarts, many snapshots and two catalogs are decided again bit for bit. */
import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { freePort } from './free-port.ts';
import { createSend, type Send } from './send.ts';
import { startSystem } from './system.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CUSTOMERS = 60;
const LIVES = [334, 333, 333];
const AT_ONCE = 8;

interface Decided {
  readonly decisionId: string;
  readonly actions: readonly { readonly actionId: string }[];
}

const introduce = (send: Send): Promise<unknown> =>
  send(
    'POST',
    '/v1/events',
    Array.from({ length: CUSTOMERS }, (_, i) => ({
      specversion: '1.0',
      id: `hello-${i}`,
      source: '/replay',
      type: 'customer.updated',
      subject: `r-${i}`,
      data: { plan: ['basic', 'standard', 'premium'][i % 3], tenureMonths: i, segment: 'consumer', consentMarketing: i % 4 > 0 },
    })),
  );

/** Every third is accepted, so that learning goes on. */
const live = async (send: Send, decisions: number): Promise<void> => {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < decisions) {
      const i = next++;
      const { decisionId, actions } = await send<Decided>('POST', '/v1/decisions', {
        ...(i % 9 === 8 ? { anonymousId: `v-${i}` } : { customerId: `r-${i % CUSTOMERS}` }),
        channel: ['app', 'web', 'callCenter', 'sms', 'email'][i % 5],
        limit: 1 + (i % 3),
        context: { page: 'bill', device: 'ios' },
      });
      const first = actions[0]?.actionId;
      if (first === undefined) continue;
      const tell = { decisionId, actionId: first, outcomeId: `${decisionId}-o` };
      await send('POST', '/v1/outcomes', { ...tell, outcome: i % 3 === 0 ? 'accepted' : 'impression' });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
};

test('1,000 receipts of three lives are decided again in a fresh process from log and registry alone', { timeout: 300_000 }, async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'attune-replay-'));
  const [dataDir, catalogDir] = [join(scratch, 'data'), join(scratch, 'catalog')];
  cpSync(join(ROOT, 'catalog/telco'), catalogDir, { recursive: true });
  try {
    for (const [index, decisions] of LIVES.entries()) {
      const system = await startSystem({
        dataDir,
        port: await freePort(),
        warehousePort: await freePort(),
        env: { ATTUNE_CATALOG: catalogDir },
      });
      try {
        const send = createSend(system.url);
        if (index === 0) await introduce(send);
        await live(send, decisions);
      } finally {
        await system.stop();
      }
      if (index === 0) appendFileSync(join(catalogDir, 'policies.yaml'), '\n# another version\n');
    }
    const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'test/replay-receipts.ts'), dataDir], { timeout: 120_000 });
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, number> & { faults: string[] };
    // What was answered 503 and asked again may have left a receipt as well.
    expect(result['receipts']).toBeGreaterThanOrEqual(1_000);
    expect(result).toMatchObject({ identical: result['receipts'], faults: [], catalogs: 2 });
    expect(result['snapshots']).toBeGreaterThan(2);
    expect(result['sampled']).toBeGreaterThanOrEqual(300);
    expect(result['found']).toBe(result['sampled']);
    expect(result['rescored']).toBeGreaterThan(0);
    expect(result['furthest']).toBeLessThanOrEqual(1e-5);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
