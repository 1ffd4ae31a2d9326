/**
 * How many rows a second reach the embedded warehouse: log → record role → warehouse, against bare inserts of the same rows.
 *
 * `node bench/sink.ts [decisions]`; prints one JSON line last. The decisions carry 60 candidates and 33 features each.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createDecisionId, decisionCodec, decisionIdToBytes, NO_PAIR, TOPICS, typedEntriesOf, type Decision } from '#contracts';
import { openLmdbLog } from '#event-log';
import { createRecordRole } from '#pipeline';
import { encodeStrings, openWarehouse, RowWriter, startEmbeddedServer, TABLES } from '#warehouse';

const COUNT = Number(process.argv[2] ?? 80_000);
const BLOCK = 5_000;
const ACTIONS = Array.from({ length: 60 }, (_, i) => `action-${i}`);
const dir = mkdtempSync(path.join(os.tmpdir(), 'attune-sink-'));
const server = await startEmbeddedServer({ dir: path.join(dir, 'warehouse') });
const connect = (database: string) => openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline, database });
const log = await openLmdbLog({ dir: path.join(dir, 'log') });
const T0 = Date.UTC(2026, 0, 1);

const decisionOf = (n: number): Decision => {
  const shard = (n * 7_919) & 0xffff;
  const decisionId = decisionIdToBytes(createDecisionId({ atMs: T0 + n, shard, entropy: [n, n * 31] }));
  const scored = Array.from({ length: 21 }, (_, i) => (i === 20 ? -1 : i * 3));
  return {
    decisionId,
    subjectKind: 'customer',
    subjectId: `c-${n}`,
    customerKey: decisionId,
    anonymous: false,
    requestId: null,
    decidedAt: T0 + n,
    channel: 'app',
    direction: 'inbound',
    placement: 'home',
    limit: 1,
    loop: '',
    context: '{"page":"bill","device":"ios"}',
    ownCandidates: null,
    allowNone: true,
    seed: n,
    group: 'model',
    catalogVersion: 'bench',
    controlsVersion: 1,
    modelVersion: 'm',
    modelSnapshot: n,
    degraded: [],
    customerKnown: true,
    state: Buffer.alloc(600, n),
    featureSet: 'f',
    features: Array.from({ length: 33 }, (_, i) => (n % 97) / (i + 1)),
    stages: Buffer.alloc(60, 2),
    scored,
    propensities: scored.map((i) => ((n + i) % 50) / 100),
    priorities: scored.map((i) => (n + i) % 17),
    gammas: scored.map(() => 10),
    probabilities: scored.map(() => 1 / 21),
    chosen: [{ rank: 1, index: 0, actionId: 'action-0', treatmentId: 't', propensity: 0.1, probability: 1 / 21, value: 10, priority: 3 }],
    noneProbability: 1 / 21,
    latencyUs: 80,
  };
};
const attributes = { plan: 'basic', tenureMonths: 12, region: 'north', segment: 'consumer', monthlyCharge: 30, language: 'en' };

/** The same rows in the log, and in blocks of the same size, encoded beforehand. */
const bare = connect('bare');
await bare.migrate();
const entries = typedEntriesOf(attributes, () => true);
const context = typedEntriesOf({ page: 'bill', device: 'ios' }, () => true);
const actionIds = encodeStrings([...ACTIONS, 'none']);
const writer = new RowWriter();
const blocks: Buffer[] = [];
for (let from = 0; from < COUNT; from += 1_000) {
  const decisions = Array.from({ length: Math.min(1_000, COUNT - from) }, (_, i) => decisionOf(from + i));
  await log.append(
    decisions.map((decision) => ({
      topic: TOPICS.decisions,
      shard: decision.decisionId.readUInt16BE(14),
      value: decisionCodec.encode(decision),
    })),
  );
  for (const [i, decision] of decisions.entries()) {
    const at = { epoch: 1, partition: (from + i) % 8, offset: from + i, timestampMs: Date.now() };
    TABLES.decisions.write(
      writer,
      { decision, context, attributes: entries, ownCandidates: '', pairs: [], asServed: true, actionIds, noneStage: 2, heldOut: '' },
      at,
    );
    if ((from + i + 1) % BLOCK === 0 || from + i + 1 === COUNT) blocks.push(writer.take());
  }
}

const bareStart = performance.now();
for (const block of blocks) await bare.insertRows('decisions', block);
const barePerSecond = COUNT / ((performance.now() - bareStart) / 1_000);

const warehouse = connect('attune');
await warehouse.migrate();
const role = createRecordRole({
  log,
  warehouse,
  clock: Date.now,
  eventTypes: () => ({ get: () => null }),
  catalogActions: () => Promise.resolve(ACTIONS),
  viewOf: () => ({ attributes, pair: () => NO_PAIR }),
  isPersonal: () => false,
  featureNames: () => Promise.resolve(Array.from({ length: 33 }, (_, i) => `f${i}`)),
});
const start = performance.now();
await role.start();
while (role.metrics()['rowsInserted']! < COUNT) await new Promise((resolve) => setTimeout(resolve, 5));
const rowsPerSecond = COUNT / ((performance.now() - start) / 1_000);
const [stored] = await warehouse.query<{ n: number }>('SELECT count() AS n FROM decisions FINAL');

await role.stop();
await Promise.all([bare.close(), warehouse.close(), log.close()]);
await server.stop();
rmSync(dir, { recursive: true, force: true });
console.log(
  JSON.stringify({
    bench: 'sink',
    rows: COUNT,
    stored: stored?.n,
    rowsPerSecond: Math.round(rowsPerSecond),
    bareRowsPerSecond: Math.round(barePerSecond),
    ratio: Number((rowsPerSecond / barePerSecond).toFixed(3)),
    blocks: role.metrics()['blocksInserted'],
    bytesPerRow: Math.round(blocks.reduce((sum, block) => sum + block.length, 0) / COUNT),
  }),
);
