import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { customerKeyToBytes, EngineUnavailable, TOPICS, type CustomerKey } from '#contracts';
import { describeWarehouse } from '../describe-warehouse.ts';
import { startEmbeddedServer, type EmbeddedServer } from '../server/start-embedded-server.ts';
import { hasChdb } from '../server/test-chdb.ts';
import { migrate, readMigrations } from './migrate.ts';
import { openWarehouse, type Warehouse } from './open-warehouse.ts';
import { parseRetentionDays } from './retention.ts';
import { RowWriter } from './row-binary.ts';
import { TABLES } from './tables.ts';

const key = (n: number) => n.toString(16).padStart(32, '0') as CustomerKey;

describe.skipIf(!hasChdb())('the warehouse client (skipped where the optional package chdb is absent)', () => {
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  beforeAll(async () => {
    server = await startEmbeddedServer({ dir: mkdtempSync(path.join(os.tmpdir(), 'attune-client-')) });
    // The rows of these tests are of 2023.
    const retentionDays = parseRetentionDays('10000');
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline, retentionDays });
    await warehouse.migrate();
  });
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
  });

  const insertEvents = async (rows: readonly { n: number; customer: CustomerKey; partition?: number; text?: string }[], token?: string) => {
    const writer = new RowWriter(16);
    for (const { n, customer, partition = 0, text = '' } of rows) {
      const event = {
        id: `e-${n}`,
        source: text,
        type: 't',
        subjectKind: 'customer',
        subjectId: null,
        customerKey: customerKeyToBytes(customer),
        time: n,
        receivedAt: 1_700_000_000_000 + n,
        data: '{}',
      };
      TABLES.events.write(
        writer,
        { event, data: JSON.stringify({ text }) },
        { epoch: 5, partition, offset: n, timestampMs: 1_700_000_000_000 + Math.min(n, 1_000) },
      );
    }
    await warehouse.insertRows('events', writer.take(), token);
  };

  test('applies each migration once, in order, and refuses one that was changed afterwards', async () => {
    expect(await warehouse.migrate()).toEqual([]);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'attune-migrations-'));
    const deps = {
      command: (sql: string) => warehouse.command(sql),
      query: <T>(sql: string) => warehouse.query<T>(sql),
      insertApplied: (m: { name: string; checksum: string }) =>
        warehouse.insertJson('migrations', [{ name: m.name, checksum: m.checksum }]),
    };
    writeFileSync(
      path.join(folder, '9001-a.sql'),
      "-- why; not\nCREATE TABLE zz (a Int8 COMMENT 'x; y') ENGINE = Memory;\nINSERT INTO zz VALUES (1);\n",
    );
    const read = () => readMigrations(pathToFileURL(`${folder}/`));
    expect(await migrate(deps, read())).toEqual(['9001-a.sql']);
    expect(await migrate(deps, read())).toEqual([]);
    expect(await warehouse.query('SELECT * FROM zz')).toEqual([{ a: 1 }]);
    writeFileSync(path.join(folder, '9001-a.sql'), 'SELECT 2;\n');
    await expect(migrate(deps, read())).rejects.toMatchObject({ code: 'warehouse.migration-changed' });
    await warehouse.command('DROP TABLE zz');
  });

  test('a block sent again under its token is not written again, also after a merge; a table emptied forgets its tokens', async () => {
    await warehouse.command('TRUNCATE TABLE events');
    const stored = async () => Number((await warehouse.query<{ n: string }>('SELECT count() AS n FROM events'))[0]!.n);
    const first = [
      { n: 1, customer: key(1) },
      { n: 2, customer: key(2) },
    ];
    await insertEvents(first, 'events/5/0/1-2');
    await insertEvents(first, 'events/5/0/1-2');
    expect(await stored()).toBe(2);
    await insertEvents([{ n: 3, customer: key(1) }], 'events/5/0/3-3');
    await warehouse.command('OPTIMIZE TABLE events FINAL');
    await insertEvents(first, 'events/5/0/1-2');
    expect(await stored()).toBe(3);
    await warehouse.command('TRUNCATE TABLE events');
    await insertEvents(first, 'events/5/0/1-2');
    expect(await stored()).toBe(2);
  });

  test('rows are kept as long as configured; a change is told, made once, and seen beforehand', async () => {
    const open = (retention: string) =>
      openWarehouse({
        url: server.url,
        username: 'pipeline',
        password: server.users.pipeline,
        database: 'kept',
        retentionDays: parseRetentionDays(retention),
      });
    const before = open('400');
    expect(await before.pending()).toEqual(readMigrations().map(({ name }) => name));
    expect(await before.migrate()).toContain('events keeps rows for 400 days');
    expect(await before.pending()).toEqual([]);
    const after = open('400,events=30');
    expect(await after.pending()).toEqual(['events keeps rows for 30 days']);
    expect(await after.migrate()).toEqual(['events keeps rows for 30 days']);
    expect(await after.migrate()).toEqual([]);
    await Promise.all([before.close(), after.close()]);
  });

  test('what RowBinary carries is what is read: any text, any time, any offset', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            n: fc.integer({ min: 0, max: 10_413_791_999_999 - 1_700_000_000_000 }),
            text: fc.string({ unit: 'grapheme', maxLength: 40 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        async (rows) => {
          await warehouse.command('TRUNCATE TABLE events');
          await insertEvents(rows.map((row) => ({ ...row, customer: key(row.n) })));
          const found = await warehouse.query<{ n: string; text: string; source: string; k: string; at: string }>(
            "SELECT log_offset AS n, JSONExtractString(data, 'text') AS text, source, customer_key AS k, toUnixTimestamp64Milli(received_at) AS at FROM events",
          );
          const sort = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).toSorted();
          expect(sort(found.map((row) => [Number(row.n), row.source, row.k, Number(row.at)]))).toEqual(
            sort(rows.map((row) => [row.n, row.text, key(row.n), 1_700_000_000_000 + row.n])),
          );
        },
      ),
      { seed: 4, numRuns: 15 },
    );
  });

  test('the highest offset is that of a partition in one life of the log', async () => {
    await warehouse.command('TRUNCATE TABLE events');
    const highest = (partition: number, epoch = 5) => warehouse.highestOffset({ topic: TOPICS.events, partition, epoch });
    expect(await highest(0)).toBeNull();
    await insertEvents([
      { n: 3, customer: key(1) },
      { n: 9, customer: key(2) },
      { n: 70, customer: key(2), partition: 1 },
    ]);
    expect([await highest(0), await highest(1), await highest(2), await highest(0, 6)]).toEqual([9, 70, null, null]);
    const all = await warehouse.highestOffsets(5);
    expect([[...all.get(TOPICS.events)!].toSorted(([a], [b]) => a - b), [...all.get(TOPICS.decisions)!]]).toEqual([
      [
        [0, 9],
        [1, 70],
      ],
      [],
    ]);
  });

  test('one node is one shard; a cluster that the server does not know is refused by name', async () => {
    expect(await warehouse.shards()).toBe(1);
    const other = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline, cluster: 'nowhere' });
    await expect(other.shards()).rejects.toThrow(/knows no cluster nowhere/);
    await other.close();
  });

  test("an erased customer's rows are gone, up to the moment of the erasure, and no one else's", async () => {
    await warehouse.command('TRUNCATE TABLE events');
    await insertEvents([
      { n: 1, customer: key(1) },
      { n: 2, customer: key(2) },
      { n: 50, customer: key(1) },
    ]);
    expect(await warehouse.eraseCustomer(key(1), 1_700_000_000_010)).toBe(1);
    expect(await warehouse.query('SELECT event_id FROM events ORDER BY event_id')).toEqual([{ event_id: 'e-2' }, { event_id: 'e-50' }]);
    expect(await warehouse.eraseCustomer(key(1))).toBe(1);
    expect(await warehouse.eraseCustomer(key(1))).toBe(0);
  });

  test('an absent warehouse is unavailable and may be asked again; a wrong query or password is refused', async () => {
    const ask = async (options: Parameters<typeof openWarehouse>[0], sql = 'SELECT 1') => {
      const other = openWarehouse(options);
      try {
        return await other.query(sql);
      } finally {
        await other.close();
      }
    };
    const right = { url: server.url, username: 'reader', password: server.users.reader };
    await expect(ask({ ...right, url: 'http://127.0.0.1:9' })).rejects.toBeInstanceOf(EngineUnavailable);
    await expect(ask({ ...right, password: 'wrong' })).rejects.toMatchObject({ code: 'warehouse.refused', retriable: false });
    await expect(ask(right, 'SELECT nothing')).rejects.toMatchObject({ code: 'warehouse.refused' });
    expect(await ask(right)).toEqual([{ 1: 1 }]);
  });

  test('every query of docs/warehouse.md runs, as a reader', async () => {
    const reader = openWarehouse({ url: server.url, username: 'reader', password: server.users.reader });
    const queries = [...readFileSync(new URL('../../docs/warehouse.md', import.meta.url), 'utf8').matchAll(/```sql\n([^]*?)```/g)].map(
      (match) => match[1]!.trim().replace(/;$/, ''),
    );
    expect(queries.length).toBeGreaterThanOrEqual(5);
    for (const sql of queries) expect(await reader.query(sql)).toBeInstanceOf(Array);
    await reader.close();
  });

  test('every column and relation has a comment, and the data dictionary is current (npm run docs:dictionary)', async () => {
    const rows = await warehouse.query<{ table: string; name: string }>(
      "SELECT table, name FROM system.columns WHERE database = 'attune' AND comment = ''",
    );
    expect(rows).toEqual([]);
    expect(await warehouse.query("SELECT name FROM system.tables WHERE database = 'attune' AND comment = ''")).toEqual([]);
    expect(await describeWarehouse(warehouse)).toBe(readFileSync(new URL('../../docs/data-dictionary.md', import.meta.url), 'utf8'));
  });
});
