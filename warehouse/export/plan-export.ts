/** The one SELECT that an export is: which rows, in which order, and each column as other tools can read it. */
import { AttuneError } from '#contracts';
import type { Condition } from './parse-condition.ts';

export interface ColumnOfTable {
  readonly name: string;
  /** ClickHouse's. */
  readonly type: string;
  readonly comment: string;
}

export interface TableToExport {
  readonly name: string;
  readonly columns: readonly ColumnOfTable[];
  /** Of a ReplacingMergeTree, read with FINAL; null: a view, which does so itself. */
  readonly sortingKey: string | null;
}

export interface ExportRequest {
  readonly format: 'parquet' | 'csv';
  /** Of the table's time, inclusive; ms since 1970 UTC. */
  readonly fromMs?: number | undefined;
  /** Of the table's time, exclusive. */
  readonly toMs?: number | undefined;
  /** Absent: all. Empty: the catalog's own. */
  readonly loop?: string | undefined;
  readonly where?: readonly Condition[];
  /** Absent: all, in the table's order. */
  readonly columns?: readonly string[] | undefined;
  /** Whose words the columns have: `causal` tools mean the logging probability by propensity. */
  readonly words?: 'attune' | 'causal';
}

export interface ExportPlan {
  readonly sql: string;
  readonly params: Readonly<Record<string, string>>;
  /** As they stand in the file. */
  readonly columns: readonly ColumnOfTable[];
}

/** The first of these that a table has is its time. */
const TIMES = ['decided_at', 'occurred_at', 'at', 'recorded_at', 'hour', 'day', 'month'];

/** Our word → the word of causal inference: there the propensity (score) is the probability that the logging policy chose the action. */
export const CAUSAL_WORDS: ReadonlyMap<string, string> = new Map([
  ['probability', 'propensity'],
  ['propensity', 'p_accepted'],
  ['chosen.probability', 'chosen.propensity'],
  ['chosen.propensity', 'chosen.p_accepted'],
  ['candidates.probability', 'candidates.propensity'],
  ['candidates.propensity', 'candidates.p_accepted'],
]);

/** Throws `export.unknown-column` and `export.invalid`, naming what the table has. */
export const planExport = (table: TableToExport, request: ExportRequest): ExportPlan => {
  const params: Record<string, string> = {};
  const columnOf = (name: string): ColumnOfTable => {
    const column = table.columns.find((column) => column.name === name);
    if (column !== undefined) return column;
    throw new AttuneError(
      'export.unknown-column',
      `${table.name} has no column ${name}; it has ${table.columns.map((column) => column.name).join(', ')}`,
    );
  };
  const bound = (type: string, value: string): string => {
    const name = `p${Object.keys(params).length}`;
    params[name] = value;
    return `{${name}:${type}}`;
  };

  const conditions: string[] = [];
  const time = timeOf(table);
  for (const [comparison, ms] of [
    ['>=', request.fromMs],
    ['<', request.toMs],
  ] as const) {
    if (ms === undefined) continue;
    if (time === null)
      throw new AttuneError('export.invalid', `${table.name} has no column of time, so --from and --to choose nothing in it`);
    conditions.push(`${time} ${comparison} fromUnixTimestamp64Milli(${bound('Int64', String(ms))}, 'UTC')`);
  }
  if (request.loop !== undefined) conditions.push(`${qualified(columnOf('loop').name)} = ${bound('String', request.loop)}`);
  for (const { column, comparison, value } of request.where ?? []) {
    const { name, type } = columnOf(column);
    conditions.push(`${qualified(name)} ${comparison} ${bound(comparable(table.name, name, type), value)}`);
  }

  const chosen = request.columns === undefined ? table.columns : request.columns.map(columnOf);
  if (chosen.length === 0) throw new AttuneError('export.invalid', `no column of ${table.name} is asked for`);
  const renamed = (name: string): string => (request.words === 'causal' ? (CAUSAL_WORDS.get(name) ?? name) : name);
  const items = chosen.map(({ name, type }) => `${portable(qualified(name), type, request.format)} AS ${quoted(renamed(name))}`);
  const sql = [
    `SELECT ${items.join(', ')}`,
    `FROM ${quoted(table.name)} AS t${table.sortingKey === null ? '' : ' FINAL'}`,
    ...(conditions.length === 0 ? [] : [`WHERE ${conditions.join(' AND ')}`]),
    `ORDER BY ${orderOf(table)}`,
  ];
  return { sql: sql.join(' '), params, columns: chosen.map((column) => ({ ...column, name: renamed(column.name) })) };
};

const quoted = (name: string): string => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
const qualified = (name: string): string => `t.${quoted(name)}`;

/** The same log, the same file: a table in the order of its key, so that nothing is sorted; a view by time, decision and what else is plain. */
const orderOf = ({ columns, sortingKey }: TableToExport): string => {
  const names = new Set(columns.map(({ name }) => name));
  if (sortingKey !== null)
    return sortingKey.replaceAll(/'[^']*'|[A-Za-z_]\w*(?!\w*\()/g, (word) => (names.has(word) ? qualified(word) : word));
  const first = [...TIMES, 'decision_id', 'rank', 'action_id'];
  const place = ({ name }: ColumnOfTable): number => (first.includes(name) ? first.indexOf(name) : first.length);
  // Within a decision these name a row; what is summed up has no such name, and little to sort.
  const isNamed = names.has('decision_id');
  const plain = columns.filter((column) => !/^(Array|Map|Nullable|Float)/.test(column.type) && (!isNamed || place(column) < first.length));
  return plain
    .toSorted((a, b) => place(a) - place(b))
    .map(({ name }) => qualified(name))
    .join(', ');
};

/** As DateTime64, whatever the column is. */
const timeOf = ({ columns }: TableToExport): string | null => {
  const name = TIMES.find((time) => columns.some((column) => column.name === time));
  if (name === undefined) return null;
  const isFine = columns.find((column) => column.name === name)!.type.startsWith('DateTime64');
  return isFine ? qualified(name) : `toDateTime64(${qualified(name)}, 3, 'UTC')`;
};

/** The type that a value of `--where` is read as; a list or a map is compared with nothing. */
const comparable = (table: string, name: string, type: string): string => {
  if (/^(Array|Map)/.test(type)) throw new AttuneError('export.invalid', `${table}.${name} is a ${type}, which --where cannot compare`);
  const plain = type.replaceAll(/^(?:Nullable|LowCardinality)\((.*)\)$/g, '$1').replace(/^FixedString\(\d+\)$/, 'String');
  return plain;
};

/**
 * What pandas and Polars read as what it is: ids and keys as text rather than 16 or 32 bytes, coarse times as timestamps, and in CSV lists
 * and maps as JSON.
 */
const portable = (column: string, type: string, format: ExportRequest['format']): string => {
  if (/^(Nullable\()?(UUID|FixedString)/.test(type)) return `toString(${column})`;
  if (type.startsWith('DateTime(')) return `toDateTime64(${column}, 3, 'UTC')`;
  if (/^(Array|Map)/.test(type)) {
    if (format === 'csv') return `toJSONString(${column})`;
    const plain = type.replaceAll(/LowCardinality\((\w+)\)/g, '$1');
    return plain === type ? column : `CAST(${column}, '${plain.replaceAll("'", "\\'")}')`;
  }
  if (type.startsWith('LowCardinality(String')) return `toString(${column})`;
  return column;
};
