/** The data dictionary: every table and view with its columns and their comments, as the database itself tells them. */
import type { Warehouse } from './client/open-warehouse.ts';

interface ColumnRow {
  readonly relation: string;
  readonly engine: string;
  readonly about: string;
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

/** Markdown. @param warehouse migrated */
export const describeWarehouse = async (warehouse: Pick<Warehouse, 'query'>): Promise<string> => {
  const columns = await warehouse.query<ColumnRow>(
    `SELECT t.name AS relation, t.engine AS engine, t.comment AS about, c.name AS name, c.type AS type, c.comment AS comment
     FROM system.tables AS t INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
     WHERE t.database = currentDatabase() ORDER BY t.engine = 'View', t.name, c.position`,
  );
  const relations = Map.groupBy(columns, (column) => column.relation);
  const parts = [
    '# Data dictionary\n',
    'Generated from the database by `npm run docs:dictionary`; do not edit. What the tables are for: [warehouse.md](warehouse.md).\n',
    'Tables keep a row per record of the event log; read them with `FINAL`, so that a row written twice counts once. Views do so themselves.\n',
  ];
  for (const [name, rows] of relations) {
    const { engine, about } = rows[0]!;
    parts.push(
      `## ${name} (${engine === 'View' ? 'view' : 'table'})\n`,
      `${about}.\n`,
      '| column | type | meaning |',
      '| --- | --- | --- |',
    );
    parts.push(...rows.map((row) => `| ${row.name} | \`${row.type}\` | ${row.comment.replaceAll('|', '\\|')} |`), '');
  }
  return parts.join('\n');
};
