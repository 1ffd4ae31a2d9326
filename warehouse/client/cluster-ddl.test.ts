import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedServer, type EmbeddedServer } from '../server/start-embedded-server.ts';
import { hasChdb } from '../server/test-chdb.ts';
import { renderForCluster } from './cluster-ddl.ts';
import { migrate, readMigrations } from './migrate.ts';
import { openWarehouse, type Warehouse } from './open-warehouse.ts';
import { parseRetentionDays, retentionChanges } from './retention.ts';
import { TABLES } from './tables.ts';

const FACTS = Object.keys(TABLES);
const render = (sql: string) => renderForCluster(sql, { cluster: 'main', database: 'attune', sharded: FACTS });
const ownTable: string[] = [];
await migrate({ command: async (sql) => void ownTable.push(sql), query: async () => [], insertApplied: async () => {} }, []);
const statements = [...ownTable, ...readMigrations().flatMap((migration) => migration.statements)];
const changes = retentionChanges(new Map(), parseRetentionDays()).map((change) => change.statement);

describe('the migrations, rendered for a cluster', () => {
  test('a table of facts is replicated within its shard and distributed over all by the partition of the log', () => {
    const [local, distributed, ...more] = render(
      "CREATE TABLE IF NOT EXISTS events (\n  a String COMMENT 'x (y) ENGINE'\n) ENGINE = ReplacingMergeTree(log_offset)\nORDER BY a",
    );
    expect(local).toBe(
      "CREATE TABLE IF NOT EXISTS events_local ON CLUSTER 'main' (\n  a String COMMENT 'x (y) ENGINE'\n) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', log_offset)\nORDER BY a",
    );
    expect(distributed).toBe(
      "CREATE TABLE IF NOT EXISTS events ON CLUSTER 'main' AS events_local ENGINE = Distributed('main', 'attune', 'events_local', log_partition)",
    );
    expect(more).toEqual([]);
  });

  test('a small table is whole on every node', () => {
    expect(render('CREATE TABLE IF NOT EXISTS stages (\n  code UInt8\n) ENGINE = ReplacingMergeTree\nORDER BY code')).toEqual([
      "CREATE TABLE IF NOT EXISTS stages ON CLUSTER 'main' (\n  code UInt8\n) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')\nORDER BY code",
    ]);
  });

  test('an alteration goes to the tables that hold the rows', () => {
    expect(render('ALTER TABLE events MODIFY TTL x')).toEqual(["ALTER TABLE events_local ON CLUSTER 'main' MODIFY TTL x"]);
    expect(render('ALTER TABLE events ADD COLUMN x Int8')).toEqual([
      "ALTER TABLE events_local ON CLUSTER 'main' ADD COLUMN x Int8",
      "ALTER TABLE events ON CLUSTER 'main' ADD COLUMN x Int8",
    ]);
    expect(render('ALTER TABLE stages ADD COLUMN x Int8')).toEqual(["ALTER TABLE stages ON CLUSTER 'main' ADD COLUMN x Int8"]);
  });

  test('every statement of every migration can be rendered, says ON CLUSTER once, and leaves no plain MergeTree', () => {
    for (const sql of [...statements, ...changes].flatMap(render)) {
      expect(sql.split(" ON CLUSTER 'main' ")).toHaveLength(2);
      expect(sql).not.toMatch(/ENGINE = (Replacing)?MergeTree/);
    }
    const created = statements.flatMap(render).filter((sql) => sql.includes('= Distributed('));
    expect(created.map((sql) => /EXISTS (\w+)/.exec(sql)![1])).toEqual(FACTS);
  });

  test('what it does not know is refused, not passed on to one node', () => {
    expect(() => render('INSERT INTO stages VALUES (1)')).toThrow(expect.objectContaining({ code: 'warehouse.not-for-a-cluster' }));
    expect(() => render('CREATE TABLE IF NOT EXISTS x (a Int8) ENGINE = MergeTree ORDER BY a')).toThrow(/cannot be rendered/);
  });

  describe.skipIf(!hasChdb())('by the parser of ClickHouse (skipped where the optional package chdb is absent)', () => {
    let server: EmbeddedServer;
    let warehouse: Warehouse;
    beforeAll(async () => {
      server = await startEmbeddedServer({ dir: mkdtempSync(path.join(os.tmpdir(), 'attune-cluster-')) });
      warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    });
    afterAll(async () => {
      await warehouse.close();
      await server.stop();
    });

    test('every rendered statement parses, and is understood to be for the cluster', async () => {
      const erasure = "DELETE FROM events_local ON CLUSTER 'main' WHERE customer_key = 'x'";
      for (const sql of [...[...statements, ...changes, 'CREATE DATABASE IF NOT EXISTS `attune`'].flatMap(render), erasure]) {
        const [row] = await warehouse.query<{ text: string }>('SELECT formatQuerySingleLine({sql:String}) AS text', { sql });
        expect(row!.text).toMatch(/ ON CLUSTER '?main/);
      }
    });
  });
});
