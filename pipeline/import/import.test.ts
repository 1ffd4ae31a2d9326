/** Importing files: rows become events once, bad rows are told and kept, and a killed import goes on. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineUnavailable, STATE_INPUTS, TOPICS, createCustomerKey, eventCodec } from '#contracts';
import { openLmdbLog } from '#event-log';
import type { EventLog } from '#event-log';
import { compileEventTypes, loadProject } from '#project';
import { SILENT } from '../role.ts';
import { createStateRole } from '../state/state-role.ts';
import { openWorld, readTopic, stateOf, until } from '../test-world.ts';
import { parseCsv } from './csv-source.ts';
import { importFile } from './import-file.ts';
import type { ImportDeps } from './import-file.ts';
import { hashOfFile, openSource } from './open-source.ts';
import { planColumns } from './plan-columns.ts';
import type { Mapping } from './plan-columns.ts';

const type = compileEventTypes(loadProject(new URL('../../catalog/telco', import.meta.url).pathname)).get('customer.updated')!;
const AT_MS = Date.UTC(2026, 10, 1);

let dir: string;
let log: EventLog;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attune-import-'));
  log = await openLmdbLog({ dir: join(dir, 'log'), partitions: 2 });
});
afterEach(async () => {
  await log.close();
  rmSync(dir, { recursive: true });
});

const fileWith = (text: string, name = 'customers.csv'): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};

const depsOf = async (path: string, more: Partial<ImportDeps> = {}, mapping: Mapping = {}): Promise<ImportDeps> => {
  const source = await openSource(path);
  const fileHash = await hashOfFile(path);
  const plan = planColumns(source.columns, type, mapping);
  const row = {
    plan,
    type,
    customerKey: createCustomerKey('test'),
    source: '/import/customers.csv',
    fileHash,
    atMs: AT_MS,
    receivedAtMs: Date.now,
  };
  return { log, source, row, statePath: join(dir, 'state.json'), rejectedPath: join(dir, 'rejected.csv'), ...more };
};

const events = async () =>
  (await readTopic(log, TOPICS.events)).map(({ value }) => eventCodec.decode(value)).toSorted((a, b) => (a.id < b.id ? -1 : 1));

describe('CSV', () => {
  test('is read as csv-parse reads it, however it is cut into pieces', () => {
    const cell = fc.oneof(fc.constantFrom('', 'a', 'x y', 'say "hi"', 'a,b', 'line\nbreak', 'ü', '"'), fc.string({ maxLength: 8 }));
    const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 8 });
    const quote = (value: string): string => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    fc.assert(
      fc.property(rows, fc.nat({ max: 60 }), fc.constantFrom('\n', '\r\n'), (table, cut, newline) => {
        const text = table.map((row) => row.map(quote).join(',')).join(newline) + newline;
        const expected = parse(text, { relax_column_count: true, skip_empty_lines: true });
        const first = parseCsv(text.slice(0, cut), ',', false);
        const rest = parseCsv(text.slice(first.consumed), ',', true, first.line);
        expect([...first.records, ...rest.records].map(({ values }) => values)).toEqual(expected);
        expect(rest.line).toBe(1 + text.split('\n').length - 1);
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  test('a bad row is told by its line, and the next one goes on', () => {
    const text = 'a,b\n1,2\n"x"y,2\n3,"4\n5"\n7,un"quoted\n8,9\n"never closed,1\n10,11\n';
    const { records } = parseCsv(text, ',', true);
    expect(records.map(({ line, fault }) => [line, fault === null])).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [4, true],
      [6, false],
      [7, true],
      [8, false],
      [9, true],
    ]);
  });
});

describe('columns', () => {
  test('names equal to fields fill them; a mapping renames, leaves out, and names id and time', () => {
    expect(planColumns(['customerId', 'plan', 'tenureMonths'], type).fields.map(({ field }) => field.name)).toEqual([
      'plan',
      'tenureMonths',
    ]);
    const mapped = planColumns(['msisdn', 'Tarif', 'stand', 'note'], type, {
      customerId: 'msisdn',
      time: 'stand',
      columns: { Tarif: 'plan' },
      ignore: ['note'],
    });
    expect(mapped).toMatchObject({ customerId: 0, time: 2, fields: [{ column: 1, field: { name: 'plan' } }] });
  });

  test('all faults are told at once: no id, unknown and doubled columns', () => {
    const plan = () => planColumns(['id', 'plann', 'region', 'region2'], type, { columns: { region2: 'region' }, ignore: ['nothing'] });
    expect(plan).toThrow(
      /customer's id 'customerId' is not a column[^]*'nothing' is not a column[^]*'plann' is no field[^]*both fill region/,
    );
  });
});

describe('Parquet', () => {
  // Six rows in two row groups, written by ClickHouse: text, nullable text and booleans, int64, float64, timestamps.
  const path = new URL('test-customers.parquet', import.meta.url).pathname;

  test('rows become the events that a CSV file of the same content makes, and a bad one is told by its row', async () => {
    expect(await importFile(await depsOf(path, {}, { time: 'updatedAt' }))).toMatchObject({ accepted: 4, rejected: 2 });
    const [first, , , last] = await events();
    expect(JSON.parse(first!.data)).toEqual({ plan: 'basic', tenureMonths: 0, consentMarketing: true, monthlyCharge: 0 });
    expect(JSON.parse(last!.data)).toEqual({ plan: 'premium', tenureMonths: 12, monthlyCharge: 1 });
    expect(last).toMatchObject({ subjectId: 'c-4', time: Date.UTC(2026, 10, 1, 10, 0, 4) });
    expect(readFileSync(join(dir, 'rejected.csv'), 'utf8')).toMatch(/^line,reason,customerId[^]*\n3,"plan must be[^]*\n6,"plan must be/);
  });

  test('what is no Parquet file is told so', async () => {
    await expect(openSource(fileWith('customerId,plan\n', 'x.parquet'))).rejects.toThrow(/is not a Parquet file/);
    await expect(openSource(join(dir, 'missing.csv'))).rejects.toThrow(/cannot be read/);
    await expect(openSource(join(dir, 'x.xlsx'))).rejects.toThrow(/none of .csv, .parquet and .jsonl/);
  });
});

describe('an import', () => {
  test('makes typed events of rows, and keeps what is no row with line and reason', async () => {
    const path = fileWith(
      [
        'customerId;plan;tenureMonths;consentMarketing;name',
        'c-1;premium;12.5;yes;"Anna; the first"',
        'c-2;gold;1;no;Ben',
        'c-3;;twelve;no;Cleo',
        ';basic;1;no;Nobody',
        'c-5;basic;1',
        'c-6;;;;',
        '',
      ].join('\r\n'),
    );
    const state = await importFile(await depsOf(path));
    expect(state).toMatchObject({ accepted: 2, rejected: 4 });
    const [first, last] = await events();
    expect(JSON.parse(first!.data)).toEqual({ plan: 'premium', tenureMonths: 12.5, consentMarketing: true, name: 'Anna; the first' });
    expect(first).toMatchObject({ subjectId: 'c-1', type: 'customer.updated', time: AT_MS });
    expect(JSON.parse(last!.data)).toEqual({});
    const rejected = parse(readFileSync(join(dir, 'rejected.csv'), 'utf8'), { relax_column_count: true });
    expect(rejected.map(([line, reason]) => `${line}: ${reason}`)).toEqual([
      'line: reason',
      "3: plan must be one of prepaid, basic, standard, premium, unlimited in 'customer.updated'",
      '4: tenureMonths must be a number, not "twelve"',
      "5: the customer's id is empty",
      '6: has 3 fields where the header names 5',
    ]);
  });

  test('takes the file of rejected rows when it is mended, and an empty time as none', async () => {
    const path = fileWith('customerId,plan,at\nc-1,gold,\nc-2,basic,2026-10-01T00:00:00Z\n');
    expect(await importFile(await depsOf(path, {}, { time: 'at' }))).toMatchObject({ accepted: 1, rejected: 1 });
    const mended = fileWith(readFileSync(join(dir, 'rejected.csv'), 'utf8').replace(',gold,', ',premium,'), 'mended.csv');
    const deps = await depsOf(mended, { statePath: join(dir, 'mended.json'), rejectedPath: join(dir, 'again.csv') }, { time: 'at' });
    expect(await importFile(deps)).toMatchObject({ accepted: 1, rejected: 0 });
    const imported = Object.fromEntries((await events()).map(({ subjectId, time, data }) => [subjectId, [time, data]]));
    expect(imported).toEqual({ 'c-1': [AT_MS, '{"plan":"premium"}'], 'c-2': [Date.UTC(2026, 9, 1), '{"plan":"basic"}'] });
  });

  test('of a file that was imported is refused, and once more counts once', async () => {
    const world = await openWorld();
    const role = createStateRole({ log: world.log, store: world.store, project: world.project, clock: Date.now, logger: SILENT });
    await role.start();
    const path = fileWith('customerId,plan\nc-1,premium\n');
    const deps = await depsOf(path, { log: world.log });
    await importFile(deps);
    await expect(importFile(deps)).rejects.toThrow(/was imported at .*--again/);
    await importFile({ ...deps, again: true });
    await until(async () => (await world.log.lag('state', STATE_INPUTS)) === 0);
    expect(role.counters).toMatchObject({ events: 1, duplicates: 1 });
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
    expect(existsSync(join(dir, 'rejected.csv'))).toBe(false);
    await role.stop();
    await world.close();
  });

  test('that is killed goes on where it was: every row is there, ids are the same, no rejected row is told twice', async () => {
    const rows = Array.from({ length: 12_000 }, (_, i) => `c-${i},${i % 100 === 7 ? 'gold' : 'basic'}`);
    const path = fileWith(`customerId,plan\n${rows.join('\n')}\n`);
    let left = 4;
    const dying = await depsOf(path, {
      checkpointRows: 3_000,
      log: { ...log, append: (records) => (left-- > 0 ? log.append(records) : Promise.reject(new Error('killed'))) },
    });
    await expect(importFile(dying)).rejects.toThrow('killed');
    const state = await importFile(await depsOf(path, { checkpointRows: 3_000 }));
    expect(state).toMatchObject({ accepted: 11_880, rejected: 120 });
    const all = await events();
    expect(new Set(all.map(({ id }) => id)).size).toBe(11_880);
    expect(new Set(all.map(({ subjectId }) => subjectId)).size).toBe(11_880);
    expect(readFileSync(join(dir, 'rejected.csv'), 'utf8').trim().split('\n')).toHaveLength(121);
  });

  test('waits for a log that is away', async () => {
    const path = fileWith('customerId,plan\nc-1,premium\n');
    let refusals = 1;
    const waits: string[] = [];
    const away = {
      ...log,
      append: (records) => (refusals-- > 0 ? Promise.reject(new EngineUnavailable('event-log', 'away')) : log.append(records)),
    } as EventLog;
    await importFile(await depsOf(path, { log: away, onWait: (why) => waits.push(why) }));
    expect(await events()).toHaveLength(1);
    expect(waits).toEqual([expect.stringMatching(/away/)]);
  });
});
