/** The warehouse by way of @clickhouse/client: the one path, whether a server or the embedded process answers. */
import { createClient } from '@clickhouse/client';
import { Readable } from 'node:stream';
import type { CustomerKey, Topic } from '#contracts';
import { AttuneError } from '#contracts';
import { warehouseFault } from './faults.ts';
import { migrate } from './migrate.ts';
import { TABLES, tableOfTopic, type TableName } from './tables.ts';

export interface WarehouseOptions {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Default `attune`. */
  readonly database?: string;
  /** Of one request. Default 30,000. */
  readonly timeoutMs?: number;
}

export type QueryParams = Readonly<Record<string, unknown>>;

/** Every method rejects with EngineUnavailable when the warehouse is away, with `warehouse.refused` when it will never do this. */
export interface Warehouse {
  ping(): Promise<void>;
  /** Creates database, tables and views, or what is missing of them. Names the files applied. */
  migrate(): Promise<readonly string[]>;
  /** @param sql without FORMAT; placeholders as {name:Type} */
  query<T>(sql: string, params?: QueryParams): Promise<readonly T[]>;
  command(sql: string, params?: QueryParams): Promise<void>;
  /** Rows as TABLES[table].write makes them, one block: acknowledged means durable, and a repetition counts once. */
  insertRows(table: TableName, rowBinary: Buffer): Promise<void>;
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

export const openWarehouse = (options: WarehouseOptions): Warehouse => {
  const connect = (database: string) =>
    createClient({
      url: options.url,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
      database,
      application: 'attune',
      request_timeout: options.timeoutMs ?? 30_000,
      max_open_connections: 16,
      // A socket that the server is about to close must not carry an insert.
      keep_alive: { enabled: true, idle_socket_ttl: 2_500 },
      log: { level: 127 },
    });
  const database = options.database ?? 'attune';
  const client = connect(database);
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw warehouseFault(error, doing);
    }
  };

  const self: Warehouse = {
    ping: () =>
      attempt('ping', async () => {
        const answer = await client.ping();
        if (!answer.success) throw answer.error;
      }),
    async migrate() {
      const first = connect('default');
      try {
        await attempt('create database', () =>
          first.command({ query: 'CREATE DATABASE IF NOT EXISTS {name:Identifier}', query_params: { name: database } }),
        );
      } finally {
        await first.close();
      }
      return migrate({
        command: (statement) => self.command(statement),
        query: <T>(statement: string) => self.query<T>(statement),
        insertApplied: ({ name, checksum }) => self.insertJson('migrations', [{ name, checksum }]),
      });
    },
    query: <T>(sql: string, params: QueryParams = {}) =>
      attempt('query', async () => {
        const result = await client.query({ query: sql, format: 'JSONEachRow', query_params: { ...params } });
        return result.json<T>();
      }),
    command: (sql, params = {}) =>
      attempt('command', async () => {
        await client.command({ query: sql, query_params: { ...params } });
      }),
    insertRows: (table, rowBinary) =>
      attempt(`insert into ${table}`, async () => {
        const columns = TABLES[table].columns.map((column) => `\`${column}\``).join(', ');
        const { stream } = await client.exec({
          query: `INSERT INTO ${table} (${columns}) FORMAT RowBinary`,
          values: Readable.from([rowBinary], { objectMode: false }),
        });
        stream.resume();
        await new Promise<void>((resolve, reject) => stream.once('end', resolve).once('error', reject).once('close', resolve));
      }),
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
      const ofDecisions = `decision_id IN (SELECT decision_id FROM decisions WHERE ${ofCustomer})`;
      const conditions: readonly (readonly [string, string])[] = [
        ['outcomes', ofDecisions],
        ...WITH_CUSTOMER.map((table) => [table, ofCustomer] as const),
      ];
      let gone = 0;
      for (const [table, condition] of conditions) {
        const count = async () =>
          Number((await self.query<{ n: string | number }>(`SELECT count() AS n FROM ${table} WHERE ${condition}`, key))[0]?.n ?? 0);
        const rows = await count();
        if (rows === 0) continue;
        await self.command(`DELETE FROM ${table} WHERE ${condition}`, key);
        const left = await count();
        if (left > 0)
          throw new AttuneError('warehouse.erasure-incomplete', `${left} of ${rows} rows of an erased customer are still in ${table}`, {
            retriable: true,
          });
        gone += rows;
      }
      return gone;
    },
    close: () => client.close(),
  };
  return self;
};
