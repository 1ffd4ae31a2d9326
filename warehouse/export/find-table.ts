/** What the warehouse has to export, as the database itself tells it. */
import { AttuneError } from '#contracts';
import type { Warehouse } from '../client/open-warehouse.ts';
import type { TableToExport } from './plan-export.ts';

/** What the system keeps for itself. */
const OURS = new Set(['migrations']);

export interface ExportableTable {
  readonly name: string;
  readonly kind: 'table' | 'view';
  readonly about: string;
}

export const listTables = async (warehouse: Pick<Warehouse, 'query'>): Promise<readonly ExportableTable[]> => {
  const rows = await warehouse.query<{ name: string; engine: string; comment: string }>(
    "SELECT name, engine, comment FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'View', name",
  );
  return rows
    .filter(({ name }) => !OURS.has(name) && !name.startsWith('.') && !name.endsWith('_local'))
    .map(({ name, engine, comment }) => ({ name, kind: engine === 'View' ? 'view' : 'table', about: comment }));
};

/** Throws `export.unknown-table`, naming those there are. */
export const findTable = async (warehouse: Pick<Warehouse, 'query'>, name: string): Promise<TableToExport> => {
  const tables = await listTables(warehouse);
  const found = tables.find((table) => table.name === name);
  if (found === undefined)
    throw new AttuneError(
      'export.unknown-table',
      tables.length === 0
        ? 'the warehouse is empty: attune pipeline makes its tables when it starts'
        : `the warehouse has no table or view ${name}; it has ${tables.map((table) => table.name).join(', ')}`,
    );
  const columns = await warehouse.query<{ name: string; type: string; comment: string }>(
    'SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = {name:String} ORDER BY position',
    { name },
  );
  return { name, columns, sortingKey: found.kind === 'view' ? null : await sortingKeyOf(warehouse, name) };
};

/** On a cluster the key is the local table's; the distributed one has none of its own. */
const sortingKeyOf = async (warehouse: Pick<Warehouse, 'query'>, name: string): Promise<string> => {
  const rows = await warehouse.query<{ key: string }>(
    "SELECT sorting_key AS key FROM system.tables WHERE database = currentDatabase() AND name IN ({name:String}, {local:String}) AND sorting_key != ''",
    { name, local: `${name}_local` },
  );
  return rows[0]?.key ?? 'tuple()';
};
