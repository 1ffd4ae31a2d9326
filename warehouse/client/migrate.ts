/** Brings a database to today's tables and views: numbered SQL files, each applied once and recorded. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { AttuneError } from '#contracts';

const FOLDER = new URL('../migrations/', import.meta.url);

export interface Migration {
  readonly name: string;
  readonly checksum: string;
  readonly statements: readonly string[];
}

/** In the order of their numbers. A statement ends in a semicolon at the end of a line. */
export const readMigrations = (folder: URL = FOLDER): readonly Migration[] =>
  readdirSync(folder)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .toSorted()
    .map((name) => {
      const sql = readFileSync(new URL(name, folder), 'utf8');
      const statements = sql
        .split(/;[ \t]*(?:\n|$)/)
        .map((statement) => statement.replace(/^(\s*--[^\n]*\n)+/, '').trim())
        .filter((statement) => statement !== '');
      return { name, checksum: createHash('sha256').update(sql).digest('hex').slice(0, 16), statements };
    });

interface Deps {
  command(sql: string): Promise<unknown>;
  query<T>(sql: string): Promise<readonly T[]>;
  insertApplied(migration: Migration): Promise<unknown>;
}

/** Names what it applied. Throws `warehouse.migration-changed` where a file differs from the one that was applied. */
export const migrate = async (deps: Deps, migrations: readonly Migration[] = readMigrations()): Promise<readonly string[]> => {
  await deps.command(
    `CREATE TABLE IF NOT EXISTS migrations (
      name String COMMENT 'file that was applied', checksum String COMMENT 'of its content', applied_at DateTime('UTC') DEFAULT now() COMMENT 'when'
) ENGINE = ReplacingMergeTree ORDER BY name COMMENT 'What has been applied to this database'`,
  );
  const waiting = await pending(deps, migrations);
  for (const migration of waiting) {
    for (const statement of migration.statements) await deps.command(statement);
    await deps.insertApplied(migration);
  }
  return waiting.map(({ name }) => name);
};

/** Those that the database has not had yet. Throws `warehouse.migration-changed` likewise. */
export const pending = async (
  deps: Pick<Deps, 'query'>,
  migrations: readonly Migration[] = readMigrations(),
): Promise<readonly Migration[]> => {
  const rows = await deps.query<{ name: string; checksum: string }>('SELECT name, checksum FROM migrations FINAL');
  const applied = new Map(rows.map((row) => [row.name, row.checksum]));
  return migrations.filter(({ name, checksum }) => {
    const before = applied.get(name);
    if (before !== undefined && before !== checksum) {
      throw new AttuneError(
        'warehouse.migration-changed',
        `${name} was applied as ${before} and is ${checksum} now: add a new file instead`,
      );
    }
    return before === undefined;
  });
};
