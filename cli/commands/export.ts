/** `attune export TABLE FILE`: tables and views of the warehouse as Parquet or CSV, logged decisions as Vowpal Wabbit's dsjson. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet';
import { AttuneError } from '#contracts';
import { findTable, listTables, parseCondition, planExport } from '#warehouse';
import type { ExportRequest, Warehouse } from '#warehouse';
import type { Config } from '../config.ts';
import { countCsvRows } from '../export/count-csv-rows.ts';
import { writeWholeFile } from '../export/write-whole-file.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';

const FORMATS = ['parquet', 'csv'] as const;
type Format = (typeof FORMATS)[number];

/** Beside what an export asks for itself: rows in groups that a reader can skip, times that say their zone, and nothing for null. */
const SETTINGS: Readonly<Record<Format, Readonly<Record<string, string>>>> = {
  parquet: {
    output_format_parquet_row_group_size: '65536',
    output_format_parquet_row_group_size_bytes: '67108864',
    output_format_parquet_string_as_string: '1',
  },
  csv: { date_time_output_format: 'iso', format_csv_null_representation: '' },
};

export const exportCommand = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      describe: { type: 'boolean', default: false },
      format: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      loop: { type: 'string' },
      where: { type: 'string', multiple: true, default: [] },
      columns: { type: 'string' },
      words: { type: 'string', default: 'attune' },
    },
  });
  const warehouse = openConfiguredWarehouse(config);
  try {
    if (values.list) return await tellTables(warehouse);
    const [table, file, ...rest] = positionals;
    if (table === undefined || rest.length > 0 || (file === undefined) !== values.describe)
      throw new AttuneError(
        'export.invalid',
        'attune export takes a table or view and a file: attune export experiences experiences.parquet; - is stdout, --list names the tables',
      );
    const plan = planExport(await findTable(warehouse, table), {
      format: file === undefined ? 'parquet' : formatOf(file, values.format),
      fromMs: values.from === undefined ? undefined : timeOf('from', values.from),
      toMs: values.to === undefined ? undefined : timeOf('to', values.to),
      loop: values.loop,
      where: values.where.map(parseCondition),
      columns: values.columns?.split(',').map((name) => name.trim()),
      words: wordsOf(values.words),
    });
    if (file === undefined) {
      for (const { name, type, comment } of plan.columns) console.log(`${name.padEnd(24)} ${type.padEnd(38)} ${comment}`);
      return;
    }
    await exportPlan(warehouse, plan, { file, format: formatOf(file, values.format) });
  } finally {
    await warehouse.close();
  }
};

const exportPlan = async (
  warehouse: Warehouse,
  { sql, params }: ReturnType<typeof planExport>,
  { file, format }: { readonly file: string; readonly format: Format },
): Promise<void> => {
  const beganMs = performance.now();
  const source = await warehouse.stream(sql, {
    format: format === 'parquet' ? 'Parquet' : 'CSVWithNames',
    params,
    settings: SETTINGS[format],
  });
  const counter = countCsvRows();
  let rows: number | null = null;
  await writeWholeFile(source, {
    path: file === '-' ? file : resolve(file),
    through: format === 'csv' ? [counter] : [],
    gzip: file.endsWith('.gz'),
    async check(path) {
      // Read back from its footer: a file that was cut off has none.
      rows = format === 'csv' ? counter.rows() : Number((await parquetMetadataAsync(await asyncBufferFromFile(path))).num_rows);
    },
  });
  // Not on stdout, where the export itself may go.
  if (rows !== null) console.error(`${(rows as number).toLocaleString('en')} rows in ${file}, in ${seconds(beganMs)} s`);
};

const seconds = (beganMs: number): string => ((performance.now() - beganMs) / 1_000).toFixed(1);

const tellTables = async (warehouse: Warehouse): Promise<void> => {
  for (const { name, kind, about } of await listTables(warehouse)) console.log(`${name.padEnd(20)} ${kind.padEnd(6)} ${about}`);
};

const formatOf = (file: string, given: string | undefined): Format => {
  const name = given ?? /\.([a-z]+)(?:\.gz)?$/i.exec(file)?.[1]?.toLowerCase();
  const format = FORMATS.find((format) => format === name);
  if (format === undefined)
    throw new AttuneError('export.invalid', `the format of ${file} is not known by its name; --format is one of ${FORMATS.join(', ')}`);
  if (format === 'parquet' && file.endsWith('.gz'))
    throw new AttuneError('export.invalid', `Parquet is compressed within itself: name the file without .gz, not ${file}`);
  return format;
};

const wordsOf = (text: string): NonNullable<ExportRequest['words']> => {
  if (text === 'attune' || text === 'causal') return text;
  throw new AttuneError('export.invalid', `--words is attune or causal, not '${text}'`);
};

const timeOf = (option: string, text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new AttuneError('export.invalid', `--${option} must be a date as in 2026-11-25 or 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};
