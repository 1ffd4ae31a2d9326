/**
 * Freshness over HTTP on a whole system: an event acknowledged → visible to a decision; an outcome acknowledged → in the model that serves.
 * `npm run bench:freshness [-- --samples N]`; last line JSON: eventP50Ms, eventP99Ms, outcomeP50Ms, outcomeP99Ms.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../test/free-port.ts';
import { createSend } from '../test/send.ts';
import { startSystem } from '../test/system.ts';

const { values } = parseArgs({ options: { samples: { type: 'string', default: '300' }, background: { type: 'string', default: '100' } } });
const samples = Number(values.samples);

const dataDir = mkdtempSync(join(tmpdir(), 'attune-freshness-'));
const system = await startSystem({ dataDir, port: await freePort(), warehousePort: await freePort() });

const send = createSend(system.url);

const event = (id: string, subject: string, type: string, data: unknown): Promise<unknown> =>
  send('POST', '/v1/events', { specversion: '1.0', id, source: '/bench/freshness', type, subject, data });

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
const summary = (values_: number[]): { p50: number; p99: number; max: number } => {
  const sorted = values_.toSorted((a, b) => a - b);
  const round = (x: number): number => Math.round(x * 10) / 10;
  return { p50: round(percentile(sorted, 0.5)), p99: round(percentile(sorted, 0.99)), max: round(sorted.at(-1)!) };
};

/** Some traffic beside, so that batches and snapshots are as in life. */
const load = { running: true };
const background = (async () => {
  const everyMs = 1_000 / Number(values.background);
  for (let n = 0; load.running; n++) {
    await event(`bg-${n}`, `bg-${n % 500}`, 'usage.recorded', { dataMb: 10, voiceMin: 1, roaming: false });
    await delay(everyMs);
  }
})();

const eventMs: number[] = [];
for (let n = 0; n < samples; n++) {
  const customerId = `fresh-${n % 50}`;
  const tenureMonths = n + 1;
  await event(`e-${n}`, customerId, 'customer.updated', { tenureMonths });
  const acknowledged = performance.now();
  for (;;) {
    // The same read and the same view as a decision's.
    const response = await fetch(`${system.url}/v1/customers/${customerId}`);
    const seen = (await response.json()) as { attributes?: Record<string, unknown> };
    if (seen.attributes?.['tenureMonths'] === tenureMonths) break;
    if (performance.now() - acknowledged > 10_000) throw new Error('an event did not become visible within 10 s');
    await delay(1);
  }
  eventMs.push(performance.now() - acknowledged);
}

interface Models {
  readonly models: readonly { readonly loop: string; readonly serving: boolean; readonly watermark: string }[];
}
const outcomeMs: number[] = [];
for (let n = 0; n < Math.min(samples, 100); n++) {
  const customerId = `fresh-${n % 50}`;
  const decision = await send<{ decisionId: string; actions: { actionId: string }[] }>('POST', '/v1/decisions', {
    customerId,
    channel: 'app',
  });
  const actionId = decision.actions[0]?.actionId;
  if (actionId === undefined) continue;
  const sentAt = Date.now();
  await send('POST', '/v1/outcomes', { decisionId: decision.decisionId, actionId, outcome: n % 3 === 0 ? 'accepted' : 'impression' });
  const acknowledged = performance.now();
  for (;;) {
    const { models } = await send<Models>('GET', '/v1/models');
    // The watermark is the newest reward that the serving snapshot has learned; ours was appended after `sentAt`.
    if (models.some((model) => model.loop === '' && model.serving && Date.parse(model.watermark) >= sentAt)) break;
    if (performance.now() - acknowledged > 20_000) throw new Error('an outcome did not reach the serving model within 20 s');
    await delay(5);
  }
  outcomeMs.push(performance.now() - acknowledged);
}
load.running = false;
await background;
await system.stop();
rmSync(dataDir, { recursive: true, force: true });

const events = summary(eventMs);
const outcomes = summary(outcomeMs);
console.log(
  `event acknowledged → visible to a decision: p50 ${events.p50} ms, p99 ${events.p99} ms, max ${events.max} ms (${eventMs.length} samples)`,
);
console.log(
  `outcome acknowledged → in the serving model: p50 ${outcomes.p50} ms, p99 ${outcomes.p99} ms, max ${outcomes.max} ms (${outcomeMs.length} samples)`,
);
console.log(
  JSON.stringify({
    bench: 'freshness',
    eventP50Ms: events.p50,
    eventP99Ms: events.p99,
    outcomeP50Ms: outcomes.p50,
    outcomeP99Ms: outcomes.p99,
    samples: eventMs.length,
  }),
);
