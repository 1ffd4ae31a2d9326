/** The warehouse by way of @clickhouse/client: the one path, whether a server or the embedded process answers. */
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { Readable } from 'node:stream';
import type { CustomerKey, Topic } from '#contracts';
import { AttuneError, HOUR_MS } from '#contracts';
import { localTable, renderForCluster } from './cluster-ddl.ts';
import { warehouseFault } from './faults.ts';
import { migrate, pending, readMigrations } from './migrate.ts';
import { parseRetentionDays, retentionChanges, type RetentionDays } from './retention.ts';
import { TABLES, tableOfTopic, type TableName } from './tables.ts';

export interface WarehouseOptions {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Default `attune`. */
  readonly database?: string;
  /** Of one request. Default 30,000. */
  readonly timeoutMs?: number;
  /** Name of a cluster in the server's `remote_servers`; absent: one node. */
  readonly cluster?: string | null;
  /** Default: 400 days each. */
  readonly retentionDays?: RetentionDays;
}

export type QueryParams = Readonly<Record<string, unknown>>;

export interface StreamOptions {
  readonly format: 'Parquet' | 'CSVWithNames';
  readonly params?: QueryParams;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Until the first byte of a stream, which comes when all of the answer is there. */
const STREAM_TIMEOUT_MS = 6 * HOUR_MS;

/** Every method rejects with EngineUnavailable when the warehouse is away, with `warehouse.refused` when it will never do this. */
export interface Warehouse {
  ping(): Promise<void>;
  /** Creates database, tables and views, or what is missing of them, and sets how long rows are kept. Says what it did. */
  migrate(): Promise<readonly string[]>;
  /** What `migrate` would do now; empty when all is in place. */
  pending(): Promise<readonly string[]>;
  /** @param sql without FORMAT; placeholders as {name:Type} */
  query<T>(sql: string, params?: QueryParams): Promise<readonly T[]>;
  /** @param sql ending in FORMAT RowBinary @returns what RowReader reads; all of it, so ask for a page at a time */
  readRows(sql: string, params?: QueryParams): Promise<Buffer>;
  command(sql: string, params?: QueryParams): Promise<void>;
  /**
   * The answer as bytes in one of ClickHouse's own formats, of any size: the warehouse keeps it in a file until it is whole, so what fails
   * fails before the first byte. Held up for as long as the caller reads slowly; a lost connection is an error of the stream.
   *
   * @param sql without FORMAT; placeholders as {name:Type}
   */
  stream(sql: string, options: StreamOptions): Promise<Readable>;
  /**
   * Rows as TABLES[table].write makes them, one block of one shard and one month: acknowledged means durable, in whole or not at all,
   * and a repetition counts once under FINAL.
   *
   * @param token names the block by its source positions: sent again under the same token it is not even written
   */
  insertRows(table: TableName, rowBinary: Buffer, token?: string): Promise<void>;
  /** Rows whose `log_partition` is the same modulo this number are on the same shard; 1 on one node. */
  shards(): Promise<number>;
  /** Small tables: feature_sets, stages. */
  insertJson(table: string, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** Highest offset stored of a topic's partition in this life of the log; null when there is none. */
  highestOffset(at: { readonly topic: Topic; readonly partition: number; readonly epoch: number }): Promise<number | null>;
  /** The same for every topic and partition at once; what is not in the map holds nothing. */
  highestOffsets(epoch: number): Promise<ReadonlyMap<Topic, ReadonlyMap<number, number>>>;
  /**
   * Deletes the customer's rows that the log took until `untilMs` (default: all), outcomes of those decisions too, and looks that they
   * are gone. Returns how many went. Needs DELETE, so the writing user.
   */
  eraseCustomer(customerKey: CustomerKey, untilMs?: number): Promise<number>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

const WITH_CUSTOMER = ['events', 'rewards', 'communications', 'decisions'] as const;

/** Of a DELETE by ids: a thousand stay far below the server's limit for the text of a query. */
const IDS_OF_ONE_DELETE = 1_000;

export const openWarehouse = (options: WarehouseOptions): Warehouse => {
  const connect = (database: string, timeoutMs = options.timeoutMs ?? 30_000) =>
    createClient({
      url: options.url,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
      database,
      application: 'attune',
      request_timeout: timeoutMs,
      max_open_connections: 16,
      // A socket that the server is about to close must not carry an insert.
      keep_alive: { enabled: true, idle_socket_ttl: 2_500 },
      log: { level: 127 },
    });
  const database = options.database ?? 'attune';
  const cluster = options.cluster ?? null;
  const retentionDays = options.retentionDays ?? parseRetentionDays();
  const client = connect(database);
  let patient: ClickHouseClient | undefined;
  const rendered = (statement: string): readonly string[] =>
    cluster === null ? [statement] : renderForCluster(statement, { cluster, database, sharded: Object.keys(TABLES) });
  /** For what only the tables that hold the rows can do. */
  const holding = (table: TableName): string => (cluster === null ? table : `${localTable(table)} ON CLUSTER '${cluster}'`);
  // Whatever the server's defaults: a block is not gathered with others' rows, since it must stay one part; and on a cluster it is
  // acknowledged when a majority of its shard's replicas has it, not when the node that we speak to has queued it.
  const insertSettings = `async_insert = 0${cluster === null ? '' : `, distributed_foreground_insert = 1, insert_quorum = 'auto'`}`;
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw warehouseFault(error, doing);
    }
  };

  /** In the database that always is: ours may not be there yet. */
  const inDefault = async <T>(doing: string, work: (client: ClickHouseClient) => Promise<T>): Promise<T> => {
    const first = connect('default');
    try {
      return await attempt(doing, () => work(first));
    } finally {
      await first.close();
    }
  };
  const retentionToChange = async () => {
    const rows = await self.query<{ name: string; engine: string }>(
      'SELECT name, engine_full AS engine FROM system.tables WHERE database = {database:String}',
      { database },
    );
    const engines = new Map(rows.map((row) => [row.name, row.engine]));
    const ofTables = Object.keys(TABLES).map((table) => [table, engines.get(cluster === null ? table : localTable(table)) ?? ''] as const);
    return retentionChanges(new Map(ofTables), retentionDays);
  };

  const self: Warehouse = {
    ping: () =>
      attempt('ping', async () => {
        const answer = await client.ping();
        if (!answer.success) throw answer.error;
      }),
    async migrate() {
      await inDefault('create database', async (client) => {
        for (const query of rendered(`CREATE DATABASE IF NOT EXISTS \`${database}\``)) await client.command({ query });
      });
      const applied = await migrate({
        command: async (statement) => {
          for (const sql of rendered(statement)) await self.command(sql);
        },
        query: <T>(statement: string) => self.query<T>(statement),
        insertApplied: ({ name, checksum }) => self.insertJson('migrations', [{ name, checksum }]),
      });
      const changes = await retentionToChange();
      for (const { statement } of changes) for (const sql of rendered(statement)) await self.command(sql);
      return [...applied, ...changes.map(described)];
    },
    async pending() {
      const tables = await inDefault('query', async (client) => {
        const query = "SELECT name FROM system.tables WHERE database = {database:String} AND name = 'migrations'";
        return (await client.query({ query, format: 'JSONEachRow', query_params: { database } })).json();
      });
      if (tables.length === 0) return readMigrations().map(({ name }) => name);
      const files = await pending({ query: <T>(sql: string) => self.query<T>(sql) });
      return [...files.map(({ name }) => name), ...(await retentionToChange()).map(described)];
    },
    query: <T>(sql: string, params: QueryParams = {}) =>
      attempt('query', async () => {
        const result = await client.query({ query: sql, format: 'JSONEachRow', query_params: { ...params } });
        return result.json<T>();
      }),
    readRows: (sql, params = {}) =>
      attempt('read rows', async () => {
        const { stream } = await client.exec({ query: sql, query_params: { ...params } });
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks);
      }),
    command: (sql, params = {}) =>
      attempt('command', async () => {
        await client.command({ query: sql, query_params: { ...params } });
      }),
    stream: (sql, { format, params = {}, settings = {} }) =>
      attempt('query', async () => {
        patient ??= connect(database, STREAM_TIMEOUT_MS);
        const { stream } = await patient.exec({
          query: `${sql} FORMAT ${format}`,
          query_params: { ...params },
          clickhouse_settings: { ...settings, wait_end_of_query: 1 },
        });
        return stream;
      }),
    insertRows: (table, rowBinary, token) =>
      attempt(`insert into ${table}`, async () => {
        const columns = TABLES[table].columns.map((column) => `\`${column}\``).join(', ');
        const { stream } = await client.exec({
          query: `INSERT INTO ${table} (${columns}) SETTINGS ${insertSettings}${token === undefined ? '' : `, insert_deduplication_token = '${token}'`} FORMAT RowBinary`,
          values: Readable.from([rowBinary], { objectMode: false }),
        });
        stream.resume();
        await new Promise<void>((resolve, reject) => stream.once('end', resolve).once('error', reject).once('close', resolve));
      }),
    async shards() {
      if (cluster === null) return 1;
      const rows = await self.query<{ weight: string | number }>(
        'SELECT max(shard_weight) AS weight FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num',
        { cluster },
      );
      if (rows.length === 0)
        throw new AttuneError('warehouse.no-cluster', `the ClickHouse server knows no cluster ${cluster} (CLICKHOUSE_CLUSTER)`);
      // A shard has as many places as it has weight, and a partition the place of its number modulo all of them.
      return rows.reduce((sum, { weight }) => sum + Number(weight), 0);
    },
    insertJson: (table, rows) =>
      attempt(`insert into ${table}`, async () => {
        await client.insert({ table, values: [...rows], format: 'JSONEachRow' });
      }),
    async highestOffset({ topic, partition, epoch }) {
      const table = tableOfTopic(topic);
      if (table === null) throw new AttuneError('warehouse.no-table', `no table holds ${topic}`);
      const sql = `SELECT count() AS n, max(log_offset) AS highest FROM ${table} WHERE log_epoch = {epoch:UInt32} AND log_partition = {partition:UInt16}`;
      const [row] = await self.query<{ n: string | number; highest: string | number }>(sql, { epoch, partition });
      return row === undefined || Number(row.n) === 0 ? null : Number(row.highest);
    },
    async highestOffsets(epoch) {
      const tables = Object.values(TABLES);
      const sql = tables
        .map(
          ({ name, topic }) =>
            `SELECT '${topic}' AS topic, log_partition AS p, max(log_offset) AS highest FROM ${name} WHERE log_epoch = {epoch:UInt32} GROUP BY p`,
        )
        .join(' UNION ALL ');
      const rows = await self.query<{ topic: Topic; p: number; highest: string | number }>(sql, { epoch });
      return new Map(
        tables.map(({ topic }) => [topic, new Map(rows.filter((row) => row.topic === topic).map((row) => [row.p, Number(row.highest)]))]),
      );
    },
    async eraseCustomer(customerKey, untilMs = 9_999_999_999_999) {
      const key = { key: customerKey, until: untilMs };
      const ofCustomer = 'customer_key = {key:String} AND recorded_at <= fromUnixTimestamp64Milli({until:Int64})';
      const erase = async (table: TableName, condition: string): Promise<number> => {
        const count = async () =>
          Number((await self.query<{ n: string | number }>(`SELECT count() AS n FROM ${table} WHERE ${condition}`, key))[0]?.n ?? 0);
        const rows = await count();
        if (rows === 0) return 0;
        await self.command(`DELETE FROM ${holding(table)} WHERE ${condition}`, key);
        const left = await count();
        if (left > 0)
          throw new AttuneError('warehouse.erasure-incomplete', `${left} of ${rows} rows of an erased customer are still in ${table}`, {
            retriable: true,
          });
        return rows;
      };
      // By their ids, not by a subquery: a replicated table refuses to delete by what each replica would look up for itself.
      const decisions = await self.query<{ id: string }>(
        `SELECT DISTINCT toString(decision_id) AS id FROM decisions WHERE ${ofCustomer}`,
        key,
      );
      let gone = 0;
      for (let i = 0; i < decisions.length; i += IDS_OF_ONE_DELETE) {
        const ids = decisions.slice(i, i + IDS_OF_ONE_DELETE).map(({ id }) => `toUUID('${id}')`);
        gone += await erase('outcomes', `decision_id IN (${ids.join(', ')})`);
      }
      for (const table of WITH_CUSTOMER) gone += await erase(table, ofCustomer);
      return gone;
    },
    async close() {
      await client.close();
      await patient?.close();
    },
  };
  return self;
};

const described = ({ table, days }: { readonly table: TableName; readonly days: number }): string => `${table} keeps rows for ${days} days`;
