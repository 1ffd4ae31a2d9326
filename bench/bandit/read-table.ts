/** Reads a labelled table: CSV (`,` `;` tab or blanks between fields; .gz too), a header found by itself, numbers told from categories. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';

export interface LabelledTable {
  readonly columns: readonly string[];
  /** Missing values are left out. */
  readonly contexts: readonly Readonly<Record<string, string | number>>[];
  /** By row: place in `classes`. */
  readonly labels: Int32Array;
  readonly classes: readonly string[];
}

export interface TableOptions {
  readonly file: string;
  /** A name, or an index from 0. */
  readonly label: string;
  readonly header?: boolean | undefined;
  /** Names or indices. */
  readonly drop?: readonly string[];
}

const MISSING = new Set(['', '?', 'NA', 'NaN', 'nan', 'null']);

/** Throws Error naming the column or line at fault. */
export const readTable = ({ file, label, header, drop = [] }: TableOptions): LabelledTable => {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').replace(/^\uFEFF/, '');
  return tableOf(recordsOf(text), { file, label, header, drop });
};

export const tableOf = (records: readonly (readonly string[])[], { file, label, header, drop = [] }: TableOptions): LabelledTable => {
  const named = header ?? looksLikeHeader(records);
  const rows = named ? records.slice(1) : records;
  const width = records[0]?.length ?? 0;
  if (rows.length === 0) throw new Error(`${file} has no rows`);
  rows.forEach((row, i) => {
    if (row.length !== width) throw new Error(`${file}: row ${i + 1} has ${row.length} fields where the first line has ${width}`);
  });
  const columns = named ? records[0]!.map((name) => name.trim()) : Array.from({ length: width }, (_, i) => `column${i}`);
  const at = placeOf(columns, label, file);
  const dropped = new Set(drop.map((name) => placeOf(columns, name, file)));
  const kept = columns.map((_, i) => i).filter((i) => i !== at && !dropped.has(i));
  const numeric = new Set(kept.filter((i) => rows.every((row) => MISSING.has(row[i]!) || Number.isFinite(Number(row[i])))));
  const labelled = rows.filter((row) => !MISSING.has(row[at]!));
  const classes = [...new Set(labelled.map((row) => row[at]!))].toSorted();
  if (classes.length < 2) throw new Error(`${file}: column ${label} has ${classes.length} class, which leaves nothing to choose`);
  const classOf = new Map(classes.map((name, i) => [name, i]));
  return {
    columns: kept.map((i) => columns[i]!),
    contexts: labelled.map((row) => {
      const context: Record<string, string | number> = {};
      for (const i of kept) if (!MISSING.has(row[i]!)) context[columns[i]!] = numeric.has(i) ? Number(row[i]) : row[i]!;
      return context;
    }),
    labels: Int32Array.from(labelled, (row) => classOf.get(row[at]!)!),
    classes,
  };
};

export const recordsOf = (text: string): string[][] => {
  const first = text.slice(0, text.indexOf('\n'));
  const counts = [',', ';', '\t'].map((sign) => [first.split(sign).length, sign] as const).toSorted(([a], [b]) => b - a);
  if (counts[0]![0] === 1 && /\S\s+\S/.test(first))
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => line.trim().split(/\s+/));
  return parse(text, { delimiter: counts[0]![1], trim: true, skip_empty_lines: true, relax_column_count: true });
};

/** Names are no numbers, differ from each other, and stand above something else: a number, or values among which they are not. */
const looksLikeHeader = (records: readonly (readonly string[])[]): boolean => {
  const [first, ...rest] = records;
  if (first === undefined || rest.length === 0) return false;
  if (first.some((name) => name === '' || Number.isFinite(Number(name))) || new Set(first).size < first.length) return false;
  const sample = rest.slice(0, 1_000);
  return (
    first.some((_, i) => sample.every((row) => MISSING.has(row[i] ?? '') || Number.isFinite(Number(row[i])))) ||
    first.filter((name, i) => sample.some((row) => row[i] === name)).length * 2 < first.length
  );
};

const placeOf = (columns: readonly string[], name: string, file: string): number => {
  const at = columns.indexOf(name);
  if (at >= 0) return at;
  const index = /^-?\d+$/.test(name) ? Number(name) : Number.NaN;
  if (index >= 0 && index < columns.length) return index;
  throw new Error(`${file} has no column ${name}; it has ${columns.slice(0, 40).join(', ')}`);
};
