/**
 * Renders the migrations for a cluster: the same SQL files, on every node, replicated, with a Distributed table over the shards.
 *
 * Facts are sharded by the log's partition. The record role makes a block of one partition's rows, so a block lands on one shard, in
 * whole or not at all; and all that concerns a customer or a decision has one partition, so FINAL, which works shard by shard, sees
 * every version of a row. Both stay true when the log's partitions are raised, as long as the number of shards divides the number of
 * partitions before and after.
 */
import { AttuneError } from '#contracts';

export interface ClusterOptions {
  /** As in `remote_servers`. */
  readonly cluster: string;
  readonly database: string;
  /** Tables that are sharded; all others are small, and whole on every node. */
  readonly sharded: readonly string[];
}

/** The table that holds the rows: on a cluster the bare name is the Distributed table over all shards. */
export const localTable = (table: string): string => `${table}_local`;

const CREATE_TABLE = /^CREATE TABLE IF NOT EXISTS (\w+) (\([^]*\n?\)) ENGINE = ReplacingMergeTree(?:\((\w+)\))?(\s[^]*)$/;
const CREATE_VIEW = /^CREATE OR REPLACE VIEW (\w+) /;
const ALTER_TABLE = /^ALTER TABLE (\w+) /;
/** Columns are those of both tables; all else concerns only where the rows are. */
const ADD_COLUMN = /^ADD COLUMN /;
const CREATE_DATABASE = /^CREATE DATABASE IF NOT EXISTS (\S+)$/;

/** One statement becomes one or two. Throws `warehouse.not-for-a-cluster` for a kind that it does not know. */
export const renderForCluster = (statement: string, options: ClusterOptions): readonly string[] => {
  const cluster = quoted(options.cluster);
  const table = CREATE_TABLE.exec(statement);
  if (table !== null) {
    const [, name = '', columns = '', version, rest = ''] = table;
    const engine = (path: string, replica: string) =>
      `ReplicatedReplacingMergeTree('/clickhouse/tables/${path}/{database}/{table}', '${replica}'${version === undefined ? '' : `, ${version}`})`;
    if (!options.sharded.includes(name)) {
      return [`CREATE TABLE IF NOT EXISTS ${name} ON CLUSTER ${cluster} ${columns} ENGINE = ${engine('all', '{shard}-{replica}')}${rest}`];
    }
    const local = localTable(name);
    return [
      `CREATE TABLE IF NOT EXISTS ${local} ON CLUSTER ${cluster} ${columns} ENGINE = ${engine('{shard}', '{replica}')}${rest}`,
      `CREATE TABLE IF NOT EXISTS ${name} ON CLUSTER ${cluster} AS ${local} ENGINE = Distributed(${cluster}, ${quoted(options.database)}, ${quoted(local)}, log_partition)`,
    ];
  }
  const view = CREATE_VIEW.exec(statement);
  if (view !== null) {
    return [`CREATE OR REPLACE VIEW ${view[1]} ON CLUSTER ${cluster} ${statement.slice(view[0].length)}`];
  }
  const alter = ALTER_TABLE.exec(statement);
  if (alter !== null) {
    const name = alter[1]!;
    const change = statement.slice(alter[0].length);
    const targets = !options.sharded.includes(name) ? [name] : ADD_COLUMN.test(change) ? [localTable(name), name] : [localTable(name)];
    return targets.map((target) => `ALTER TABLE ${target} ON CLUSTER ${cluster} ${change}`);
  }
  const database = CREATE_DATABASE.exec(statement);
  if (database !== null) return [`${statement} ON CLUSTER ${cluster}`];
  throw new AttuneError(
    'warehouse.not-for-a-cluster',
    `a migration holds a statement that cannot be rendered for a cluster: "${statement.slice(0, 80)}"; teach cluster-ddl.ts its kind`,
  );
};

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
