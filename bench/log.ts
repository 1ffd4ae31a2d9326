/** Measures the embedded log: append latency and throughput, read rate, and how soon a consumer sees a record. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TOPICS } from '#contracts';
import { openLmdbLog } from '#event-log';

const VALUE_BYTES = 200;
const SECONDS = Number(process.env['SECONDS'] ?? 3);
const neighbourOf = process.argv[2];
const dir = neighbourOf ?? mkdtempSync(join(tmpdir(), 'attune-bench-log-'));
const log = await openLmdbLog({ dir });

function quantile(sorted: readonly number[], q: number): number {
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(2));
}

async function appendFrom(appenders: number, recordsACall: number): Promise<{ p50Ms: number; p99Ms: number; recordsPerSecond: number }> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + SECONDS * 1_000;
  const append = async (seed: number): Promise<void> => {
    for (let turn = 0; performance.now() < endsAt; turn += 1) {
      const records = Array.from({ length: recordsACall }, (_, index) => ({
        topic: TOPICS.events,
        shard: (seed * 7_919 + turn * 104_729 + index) & 0xffff,
        value: Buffer.alloc(VALUE_BYTES, turn),
      }));
      const before = performance.now();
      await log.append(records);
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: appenders }, (_, seed) => append(seed)));
  const seconds = (performance.now() - startedAt) / 1_000;
  latencies.sort((a, b) => a - b);
  const recordsPerSecond = Math.round((latencies.length * recordsACall) / seconds);
  return { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), recordsPerSecond };
}

async function readAll(): Promise<{ records: number; microsecondsPerRecord: number }> {
  let records = 0;
  const startedAt = performance.now();
  for (let partition = 0; partition < log.partitions; partition += 1)
    for (let offset = 0; ;) {
      const batch = await log.read(TOPICS.events, partition, offset, 1_000);
      if (batch.length === 0) break;
      records += batch.length;
      offset = batch.at(-1)!.offset + 1;
    }
  return { records, microsecondsPerRecord: Number((((performance.now() - startedAt) * 1_000) / records).toFixed(3)) };
}

async function consumeAll(records: number): Promise<number> {
  const startedAt = performance.now();
  let seen = 0;
  await new Promise<void>((resolve) => {
    log.consume({
      group: 'bench',
      topics: [TOPICS.events],
      onBatch: async (batch) => {
        seen += batch.records.length;
        if (seen >= records) resolve();
      },
    });
  });
  return Math.round(seen / ((performance.now() - startedAt) / 1_000));
}

async function wakeLatencies(): Promise<{ p50Ms: number; p99Ms: number }> {
  const waits: number[] = [];
  let seen: () => void = () => undefined;
  log.consume({ group: 'wake', topics: [TOPICS.outcomes], onBatch: async () => seen() });
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let turn = 0; turn < 200; turn += 1) {
    const before = performance.now();
    const arrived = new Promise<void>((resolve) => (seen = resolve));
    await log.append([{ topic: TOPICS.outcomes, shard: turn, value: Buffer.alloc(VALUE_BYTES) }]);
    await arrived;
    waits.push(performance.now() - before);
  }
  waits.sort((a, b) => a - b);
  return { p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99) };
}

/** The same 64 appenders while another process appends batches of 100 to the same log, as the pipeline does beside the API. */
async function besideNeighbour(): Promise<unknown> {
  const neighbour = spawn(process.execPath, [fileURLToPath(import.meta.url), dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise((resolve) => neighbour.once('close', resolve));
  await new Promise((resolve) => neighbour.stdout.once('data', resolve));
  const figures = await appendFrom(64, 1);
  await closed;
  return figures;
}

if (neighbourOf !== undefined) {
  process.stdout.write('ready\n');
  await appendFrom(1, 100);
  await log.close();
  process.exit(0);
}

const one = await appendFrom(1, 1);
const sixtyFour = await appendFrom(64, 1);
const sixtyFourBesideNeighbour = await besideNeighbour();
const batches = await appendFrom(8, 500);
const read = await readAll();
const consumedPerSecond = await consumeAll(read.records);
const wake = await wakeLatencies();
await log.close();
rmSync(dir, { recursive: true });
console.log(
  JSON.stringify({
    bench: 'log',
    valueBytes: VALUE_BYTES,
    one,
    sixtyFour,
    sixtyFourBesideNeighbour,
    batches,
    read,
    consumedPerSecond,
    appendToConsumer: wake,
  }),
);
