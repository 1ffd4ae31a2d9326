/** `attune export` end to end: an embedded warehouse with rows of every type, and files that other readers open. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openWarehouse, startEmbeddedServer, type EmbeddedServer, type Warehouse } from '#warehouse';
import { runCommand } from '../../test/engines/roles.ts';
import { hasChdb } from '../../warehouse/server/test-chdb.ts';
import { exportCommand } from '../commands/export.ts';
import { readConfig } from '../config.ts';
import { exitCodeOfCommand, textOfFault } from '../faults.ts';
import { countCsvRows } from './count-csv-rows.ts';
import { writeWholeFile } from './write-whole-file.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attune-export-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a stream that fails leaves the file that was there, and nothing beside it', async () => {
  const path = join(dir, 'kept.csv');
  writeFileSync(path, 'old');
  const failing = Readable.from(
    (function* () {
      yield Buffer.from('new');
      throw new Error('cut off');
    })(),
  );
  await expect(writeWholeFile(failing, { path })).rejects.toThrow('cut off');
  const unlikely = writeWholeFile(Readable.from([Buffer.from('new')]), { path, check: () => Promise.reject(new Error('not whole')) });
  await expect(unlikely).rejects.toThrow('not whole');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(dir)).toEqual(['kept.csv']);
  await writeWholeFile(Readable.from([Buffer.from('new')]), { path });
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o077).toBe(0);
});

test('line breaks within quotes end no row of CSV, wherever the chunks are cut', async () => {
  const text = '"a","b"\n"1\n2","""\n"\n"3","4"\n';
  for (let cut = 0; cut <= text.length; cut++) {
    const counter = countCsvRows();
    const whole = Readable.from([Buffer.from(text.slice(0, cut)), Buffer.from(text.slice(cut))].filter((part) => part.length > 0));
    await whole.pipe(counter).resume().toArray();
    expect(counter.rows()).toBe(2);
  }
});

describe.skipIf(!hasChdb())('from an embedded warehouse (skipped where the optional package chdb is absent)', () => {
  const N = 3_000;
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  let dataDir: string;

  beforeAll(async () => {
    vi.spyOn(console, 'error').mockReturnValue();
    dataDir = join(dir, 'data');
    server = await startEmbeddedServer({ dir: join(dataDir, 'warehouse') });
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    await warehouse.migrate();
    const id = "reinterpretAsUUID(concat(reverse(unhex('0190000000007000')), reverse(unhex(lower(leftPad(hex(number), 16, '0'))))))";
    const key = "leftPad(lower(hex(number % 7)), 32, '0')";
    // Twice the same rows: a table counts them once.
    for (let i = 0; i < 2; i++) {
      await warehouse.command(
        `INSERT INTO decisions (decision_id, customer_key, decided_at, channel, loop, context, feature_set, features, \`candidates.action_id\`,
           \`candidates.stage\`, \`candidates.scored\`, \`candidates.propensity\`, \`candidates.priority\`, \`candidates.gamma\`, \`candidates.probability\`,
           \`chosen.rank\`, \`chosen.action_id\`, \`chosen.treatment_id\`, \`chosen.propensity\`, \`chosen.probability\`, \`chosen.value\`, \`chosen.priority\`, seed, recorded_at)
         SELECT ${id}, ${key}, toDateTime64(now() - 86400, 3, 'UTC') + number, if(number % 2 = 0, 'app', 'web'), '', map('page', 'a "quoted", text\\n'), 'f', [number, 0.5],
           ['a', 'b'], [1, 2], [true, false], [0.25, 0], [1.5, 0], [9, 0], [0.75, 0], [1], ['a'], ['app'], [0.25], [0.75], [40], [1.5], 9007199254740991, now()
         FROM numbers(${N}) SETTINGS insert_deduplicate = 0`,
      );
    }
    await warehouse.command(
      `INSERT INTO rewards (decision_id, rank, customer_key, action_id, target, reward, outcome, amount, decided_at, occurred_at, matured, revision, recorded_at)
       SELECT ${id}, 1, ${key}, 'a', if(number % 3 = 0, 1, 0), number % 3, 'accepted', NULL, now(), now(), number % 10 != 0, 1, now() FROM numbers(${N})`,
    );
  });
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
  });

  const env = () => ({ ATTUNE_DATA_DIR: dataDir, ATTUNE_WAREHOUSE_PORT: new URL(server.url).port });
  /** In this process, for the sake of time. */
  const attune = (...args: readonly string[]) => exportCommand(readConfig(env()), args);
  const readParquet = async (path: string) => parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });

  test('Parquet has every row once, texts as text, times as times, lists as lists', async () => {
    const path = join(dir, 'decisions.parquet');
    const { code, output } = await runCommand(['export', 'decisions', path], env());
    expect([code, output]).toEqual([0, expect.stringMatching(/^3,000 rows in .*decisions\.parquet, in \d+\.\d s\n$/)]);
    const rows = await readParquet(path);
    expect(rows).toHaveLength(N);
    expect(rows[1]).toMatchObject({
      decision_id: '01900000-0000-7000-0000-000000000001',
      customer_key: `${'0'.repeat(31)}1`,
      decided_at: expect.any(Date),
      channel: 'web',
      seed: 9_007_199_254_740_991n,
      features: [1, 0.5],
      'candidates.action_id': ['a', 'b'],
      'candidates.scored': [true, false],
    });
    const { schema } = await parquetMetadataAsync(await asyncBufferFromFile(path));
    expect(schema.find(({ name }) => name === 'context')).toMatchObject({ logical_type: { type: 'MAP' } });
  });

  test('the same log gives the same bytes', async () => {
    for (const name of ['one', 'two']) await attune('experiences', join(dir, `${name}.parquet`));
    expect(readFileSync(join(dir, 'one.parquet')).equals(readFileSync(join(dir, 'two.parquet')))).toBe(true);
  });

  test('CSV says times with their zone, lists and maps as JSON, null as nothing, and filters by value', async () => {
    const path = join(dir, 'experiences.csv.gz');
    await attune('experiences', path, '--where', 'channel=app', '--where', 'reward>0', '--loop', '');
    const rows = parse<Record<string, string>>(gunzipSync(readFileSync(path)), { columns: true });
    const kept = Array.from({ length: N }, (_, n) => n).filter((n) => n % 2 === 0 && n % 3 > 0 && n % 10 !== 0);
    expect(rows.map(({ decision_id: id }) => Number.parseInt(id!.slice(24), 16))).toEqual(kept);
    expect(rows[0]).toMatchObject({ amount: '', decided_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) });
    expect(JSON.parse(rows[0]!['context']!)).toEqual({ page: 'a "quoted", text\n' });
    expect(JSON.parse(rows[0]!['features']!)).toEqual([kept[0], 0.5]);
  });

  test('stdout takes an export, and its columns can be asked for in the words of causal inference', async () => {
    const args = ['export', 'experiences', '-', '--format', 'csv', '--words', 'causal', '--columns', 'propensity,probability'];
    const { code, output } = await runCommand(args, env());
    expect(code).toBe(0);
    expect(output.split('\n').slice(0, 2)).toEqual(['"p_accepted","propensity"', '0.25,0.75']);
    expect(output.trim().split('\n')).toHaveLength(1 + 0.9 * N);
    const told = vi.spyOn(console, 'log').mockReturnValue();
    await attune('experiences', '--describe', '--words', 'causal');
    expect(told.mock.calls.join('\n')).toMatch(
      /^propensity +Float32 +P\(chosen in this slot \| the slots above\): the logging probability$/m,
    );
  });

  test('--from and --to choose by the time of the decision', async () => {
    const path = join(dir, 'some.parquet');
    const [row] = await warehouse.query<{ at: string }>(
      "SELECT formatDateTime(min(decided_at), '%Y-%m-%dT%H:%i:%SZ') AS at FROM decisions",
    );
    const fromMs = Date.parse(row!.at) + 10_000;
    await attune('decisions', path, '--from', new Date(fromMs).toISOString(), '--to', new Date(fromMs + 60_000).toISOString());
    expect(await readParquet(path)).toHaveLength(60);
  });

  test.each([
    ['a table that is not there', ['nowhere', 'x.csv'], /no table or view nowhere; it has .*decisions/],
    ['a table of the system itself', ['migrations', 'x.csv'], /no table or view migrations/],
    ['a format that is not known', ['decisions', 'x.xlsx'], /format of x\.xlsx is not known by its name; --format is one of parquet, csv/],
    ['a time that is none', ['decisions', 'x.csv', '--from', 'soon'], /--from must be a date/],
    ['a value of another type', ['decisions', 'x.csv', '--where', 'slots=many'], /many/],
  ])('%s is told in a sentence, and leaves no file', async (_, args, sentence) => {
    const error: unknown = await attune(...args.map((arg) => (arg.startsWith('x.') ? join(dir, arg) : arg))).catch(
      (error: unknown) => error,
    );
    expect(textOfFault(error).replaceAll(`${dir}/`, '')).toMatch(sentence);
    expect(exitCodeOfCommand(error)).toBe(78);
    expect(readdirSync(dir).filter((name) => name.startsWith('x.') || name.endsWith('.part'))).toEqual([]);
  });
});
