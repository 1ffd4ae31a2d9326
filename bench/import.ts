/**
 * `npm run bench:import -- [--rows N]`: rows a second of generated CSV and Parquet files (25 attributes a customer) into the log, and from there
 * into states, on the embedded engines. Beside it the floor: the same rows' finished records appended to the same log.
 */
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { STATE_INPUTS, TOPICS, createCustomerKey } from '#contracts';
import { openLmdbLog } from '#event-log';
import type { EventLog } from '#event-log';
import { compileFeatures, openLmdbFeatureStore } from '#feature-store';
import { compileRewards, createStateRole, hashOfFile, importFile, openSource, planColumns, SILENT } from '#pipeline';
import { compileEventTypes, loadProject } from '#project';
import { createWorld } from '#simulator';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '200000' } } });
const rows = Number(values.rows);
const PARTITIONS = 8;
const AT_MS = Date.UTC(2026, 10, 23);
const project = loadProject(new URL('../catalog/telco', import.meta.url).pathname);
const type = compileEventTypes(project).get('customer.updated')!;
const dir = mkdtempSync(join(tmpdir(), 'attune-bench-import-'));

interface Rate {
  readonly perSecond: number;
  /** Of the processor's time, all threads: what a machine busy with other things distorts less. */
  readonly perCpuSecond: number;
}

const startWatch = (): (() => Rate) => {
  const beganMs = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return {
      perSecond: Math.round(rows / ((performance.now() - beganMs) / 1_000)),
      perCpuSecond: Math.round(rows / ((user + system) / 1_000_000)),
    };
  };
};

/** A thousand different customers, over and over, under ids of their own. */
const writeCsv = async (path: string): Promise<void> => {
  const people = createWorld({ seed: 1, customers: 1_000, startMs: AT_MS }).customers.map(
    ({ attributes }) => attributes as unknown as Record<string, string | number | boolean | undefined>,
  );
  const columns = type.fields
    .map(({ name }) => name)
    .filter((name) => !type.personalFields.includes(name) && people.some((person) => name in person));
  const lines = people.map((person) => columns.map((name) => `${person[name] ?? ''}`).join(','));
  const file = createWriteStream(path);
  file.write(`customerId,${columns.join(',')},name,email\n`);
  for (let i = 0; i < rows; i++) {
    const row = `customer-${i},${lines[i % lines.length]},"Name ${i}, the customer",name${i}@example.com\n`;
    if (!file.write(row)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
};

/** Null where the embedded ClickHouse is not installed. */
const writeParquet = (csv: string, path: string): boolean => {
  try {
    const { query } = createRequire(import.meta.url)('chdb') as { query: (sql: string) => string };
    query(`insert into function file('${path}', Parquet) select * from file('${csv}', CSVWithNames)`);
    return true;
  } catch {
    return false;
  }
};

const importInto = async (log: EventLog, path: string): Promise<Rate> => {
  const fileHash = await hashOfFile(path);
  const source = await openSource(path);
  const plan = planColumns(source.columns, type);
  const row = { plan, type, customerKey: createCustomerKey('bench'), source: '/bench', fileHash, atMs: AT_MS, receivedAtMs: () => AT_MS };
  const begun = startWatch();
  const { accepted, rejected } = await importFile({ log, source, row, statePath: `${path}.state`, rejectedPath: `${path}.rejected.csv` });
  if (accepted !== rows) throw new Error(`${accepted} of ${rows} rows were accepted, ${rejected} rejected`);
  return begun();
};

const openLog = (name: string): Promise<EventLog> => openLmdbLog({ dir: join(dir, name), partitions: PARTITIONS });

const csv = join(dir, 'customers.csv');
const parquet = join(dir, 'customers.parquet');
await writeCsv(csv);
const log = await openLog('csv');
const ofCsv = await importInto(log, csv);

const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: PARTITIONS });
const state = { featureSet: compileFeatures(project), rewards: compileRewards(project), actionGroup: () => null };
const role = createStateRole({ log, store, project: state, clock: () => AT_MS, logger: SILENT });
const begun = startWatch();
await role.start();
while ((await log.lag('state', STATE_INPUTS)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
const ofState = begun();
await role.stop();
await store.close();

const floor = await openLog('floor');
let floorMs = 0;
for (let partition = 0; partition < PARTITIONS; partition++) {
  for (let offset = 0; ;) {
    const records = await log.read(TOPICS.events, partition, offset, 8_000);
    if (records.length === 0) break;
    offset = records.at(-1)!.offset + 1;
    const startMs = performance.now();
    const parts = [0, 2_000, 4_000, 6_000].map((from) => records.slice(from, from + 2_000)).filter((part) => part.length > 0);
    await Promise.all(parts.map((part) => floor.append(part.map(({ topic, value }) => ({ topic, shard: partition, value })))));
    floorMs += performance.now() - startMs;
  }
}
await floor.close();
await log.close();

let ofParquet: Rate | null = null;
if (writeParquet(csv, parquet)) {
  const other = await openLog('parquet');
  ofParquet = await importInto(other, parquet);
  await other.close();
}
rmSync(dir, { recursive: true, force: true });
const floorPerSecond = Math.round(rows / (floorMs / 1_000));
console.log(
  JSON.stringify({
    bench: 'import',
    ratio: Number((ofCsv.perSecond / floorPerSecond).toFixed(2)),
    rows,
    csvPerSecond: ofCsv.perSecond,
    csvPerCpuSecond: ofCsv.perCpuSecond,
    parquetPerSecond: ofParquet?.perSecond ?? null,
    parquetPerCpuSecond: ofParquet?.perCpuSecond ?? null,
    statePerSecond: ofState.perSecond,
    statePerCpuSecond: ofState.perCpuSecond,
    floorPerSecond,
  }),
);
