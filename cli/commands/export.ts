/** `attune export TABLE FILE`: tables and views of the warehouse as Parquet or CSV, logged decisions as Vowpal Wabbit's dsjson. */
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet';
import { AttuneError } from '#contracts';
import type { DsjsonLabel } from '#models';
import { findTable, listTables, parseCondition, planExport } from '#warehouse';
import type { ExportRequest, Warehouse } from '#warehouse';
import type { Config } from '../config.ts';
import { countCsvRows } from '../export/count-csv-rows.ts';
import { writeWholeFile } from '../export/write-whole-file.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';

const FORMATS = ['parquet', 'csv', 'dsjson'] as const;
type Format = (typeof FORMATS)[number];
type TableFormat = Exclude<Format, 'dsjson'>;

/** Beside what an export asks for itself: rows in groups that a reader can skip, times that say their zone, and nothing for null. */
const SETTINGS: Readonly<Record<TableFormat, Readonly<Record<string, string>>>> = {
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
      label: { type: 'string', default: 'reward' },
    },
  });
  const range = {
    fromMs: values.from === undefined ? undefined : timeOf('from', values.from),
    toMs: values.to === undefined ? undefined : timeOf('to', values.to),
    loop: values.loop,
  };
  const [table, file, ...rest] = positionals;
  if (!values.list && (table === undefined || rest.length > 0 || (file === undefined) !== values.describe))
    throw new AttuneError(
      'export.invalid',
      'attune export takes a table or view and a file: attune export experiences experiences.parquet; - is stdout, --list names the tables',
    );
  const format = file === undefined ? 'parquet' : formatOf(file, values.format);
  if (format === 'dsjson') {
    if (table !== 'decisions' || values.where.length > 0 || values.columns !== undefined)
      throw new AttuneError(
        'export.invalid',
        'dsjson is of whole matured decisions: attune export decisions FILE.dsjson, without --where and --columns',
      );
    return exportDsjson(config, file!, { ...range, label: labelOf(values.label) });
  }
  const warehouse = openConfiguredWarehouse(config);
  try {
    if (values.list) return await tellTables(warehouse);
    const plan = planExport(await findTable(warehouse, table!), {
      ...range,
      format,
      where: values.where.map(parseCondition),
      columns: values.columns?.split(',').map((name) => name.trim()),
      words: wordsOf(values.words),
    });
    if (file === undefined) {
      for (const { name, type, comment } of plan.columns) console.log(`${name.padEnd(24)} ${type.padEnd(38)} ${comment}`);
      return;
    }
    await exportPlan(warehouse, plan, { file, format });
  } finally {
    await warehouse.close();
  }
};

const exportPlan = async (
  warehouse: Warehouse,
  { sql, params }: ReturnType<typeof planExport>,
  { file, format }: { readonly file: string; readonly format: TableFormat },
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

const exportDsjson = async (
  config: Config,
  file: string,
  { fromMs, toMs, loop = '', label }: Pick<ExportRequest, 'fromMs' | 'toMs' | 'loop'> & { readonly label: DsjsonLabel },
): Promise<void> => {
  const beganMs = performance.now();
  // Tables need no models.
  const [{ dsjsonLine }, { openLoggedDecisions }] = await Promise.all([import('#models'), import('../open-logged-decisions.ts')]);
  const leftOut = new Map<string, number>();
  const leave = (why: string, decisions: number): void => void leftOut.set(why, (leftOut.get(why) ?? 0) + decisions);
  const opened = await openLoggedDecisions(config, (decisions) => leave('their catalog is gone', decisions));
  let rows = 0;
  const lines = async function* () {
    const query = { loop, maturedOnly: true, ...(fromMs !== undefined && { fromMs }), ...(toMs !== undefined && { toMs }) };
    for await (const batch of opened.logged.read(query)) {
      let text = '';
      for (const decision of batch) {
        const result = dsjsonLine(decision, label);
        if ('leftOut' in result) leave(result.leftOut, 1);
        else {
          text += `${result.line}\n`;
          rows++;
        }
      }
      yield Buffer.from(text);
    }
  };
  try {
    await writeWholeFile(Readable.from(lines()), { path: file === '-' ? file : resolve(file), gzip: file.endsWith('.gz') });
  } finally {
    await opened.close();
  }
  const left = [...leftOut].map(([why, n]) => `${n.toLocaleString('en')} (${why})`).join(', ');
  console.error(`${rows.toLocaleString('en')} decisions in ${file}, in ${seconds(beganMs)} s${left === '' ? '' : `; left out: ${left}`}`);
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

const labelOf = (text: string): DsjsonLabel => {
  if (text === 'reward' || text === 'target') return text;
  throw new AttuneError('export.invalid', `--label is reward or target, not '${text}'`);
};

const timeOf = (option: string, text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new AttuneError('export.invalid', `--${option} must be a date as in 2026-11-25 or 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};
