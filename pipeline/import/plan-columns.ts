/** Which column is the customer's id, which the time, and which field of the event each other one fills. */
import { AttuneError } from '#contracts';
import type { EventField, EventType } from '#project';
import { REJECTED_COLUMNS } from './rejected-rows.ts';

/** As `--map` gives it. */
export interface Mapping {
  readonly customerId?: string;
  readonly time?: string;
  /** Column to field. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Columns that are left out. */
  readonly ignore?: readonly string[];
}

export interface ColumnPlan {
  readonly customerId: number;
  /** Null: all rows are of one time. */
  readonly time: number | null;
  readonly fields: readonly { readonly column: number; readonly field: EventField }[];
}

const ID_COLUMNS = ['customerId', 'customer_id', 'customerid'];

/** Throws `import.columns` with all faults at once. A column that no field takes is a fault: a misspelt one would be lost without a word. */
export const planColumns = (columns: readonly string[], type: EventType, mapping: Mapping = {}): ColumnPlan => {
  const faults: string[] = [];
  const fields = new Map(type.fields.map((field) => [field.name, field]));
  const place = (name: string, what: string): number => {
    const at = columns.indexOf(name);
    if (at < 0) faults.push(`${what} '${name}' is not a column; the columns are ${columns.join(', ')}`);
    return at;
  };
  for (const name of columns.filter((column, i) => columns.indexOf(column) !== i)) faults.push(`column '${name}' is there twice`);
  const id = mapping.customerId ?? ID_COLUMNS.find((name) => columns.includes(name)) ?? 'customerId';
  const customerId = place(id, "the customer's id");
  const time = mapping.time === undefined ? null : place(mapping.time, 'the time');
  for (const name of Object.keys(mapping.columns ?? {})) place(name, 'the mapped column');
  for (const name of mapping.ignore ?? []) place(name, 'the ignored column');
  // A file of rejected rows, mended, is imported as it lies there.
  const own = REJECTED_COLUMNS.every((name, i) => columns[i] === name) ? REJECTED_COLUMNS.length : 0;
  const taken = new Map<string, string>();
  const planned: { column: number; field: EventField }[] = [];
  for (const [column, name] of columns.entries()) {
    if (column === customerId || column === time || mapping.ignore?.includes(name) === true) continue;
    const wanted = mapping.columns?.[name] ?? name;
    const field = fields.get(wanted);
    if (column < own && field === undefined && mapping.columns?.[name] === undefined) continue;
    if (field === undefined) {
      faults.push(
        `column '${name}' is no field of ${type.name}; map it (columns: { ${name}: field }), or leave it out (ignore: [${name}])`,
      );
    } else if (taken.has(wanted)) faults.push(`columns '${taken.get(wanted)}' and '${name}' both fill ${wanted}`);
    else planned.push({ column, field });
    taken.set(wanted, name);
  }
  for (const field of type.fields) {
    if (!field.optional && !taken.has(field.name)) faults.push(`${type.name} requires ${field.name}, and no column fills it`);
  }
  if (faults.length > 0) {
    const fieldNames = type.fields.map(({ name }) => name).join(', ');
    throw new AttuneError(
      'import.columns',
      `the columns do not fit:\n${faults.map((fault) => `  ${fault}`).join('\n')}\nfields of ${type.name}: ${fieldNames}`,
    );
  }
  return { customerId, time, fields: planned };
};
