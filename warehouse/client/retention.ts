/** How many days each table keeps its rows: read from configuration, compared with what the tables say, brought in line. */
import { AttuneError } from '#contracts';
import { TABLES, type TableName } from './tables.ts';

export type RetentionDays = { readonly [N in TableName]: number };

const NAMES = Object.keys(TABLES) as readonly TableName[];
const DEFAULT_DAYS = 400;
/** A DateTime ends in 2106: a row's end beyond that would come round to 1970, and the row would be gone at once. */
const LONGEST_DAYS = 10_000;

/**
 * `400` for all tables, `400,events=90,dead_letters=30` with exceptions, empty for the default of 400 days: a year, and a month more to
 * compare it with. Throws `config.invalid`.
 */
export const parseRetentionDays = (text = ''): RetentionDays => {
  const days = new Map<TableName, number>();
  let others = DEFAULT_DAYS;
  const wrong = (part: string, why: string) => new AttuneError('config.invalid', `retention of the warehouse: "${part}" ${why}`);
  for (const part of text
    .split(',')
    .map((piece) => piece.trim())
    .filter((piece) => piece !== '')) {
    const [, name, digits = ''] = /^(?:(\w+)=)?(\d+)$/.exec(part) ?? [];
    const count = Number(digits);
    if (digits === '' || count < 1 || count > LONGEST_DAYS) {
      throw wrong(part, `is no number of days from 1 to ${LONGEST_DAYS}; write 400, or 400,events=90`);
    }
    if (name === undefined) others = count;
    else if (name in TABLES) days.set(name as TableName, count);
    else throw wrong(part, `names no table; they are ${NAMES.join(', ')}`);
  }
  return Object.fromEntries(NAMES.map((name) => [name, days.get(name) ?? others])) as RetentionDays;
};

export interface RetentionChange {
  readonly table: TableName;
  readonly days: number;
  readonly statement: string;
}

/** What must change. @param engines `engine_full` of system.tables by table */
export const retentionChanges = (engines: ReadonlyMap<string, string>, wanted: RetentionDays): readonly RetentionChange[] =>
  NAMES.filter((name) => !(engines.get(name) ?? '').includes(`${COLUMN} + toIntervalDay(${wanted[name]})`)).map((table) => ({
    table,
    days: wanted[table],
    statement: `ALTER TABLE ${table} MODIFY TTL ${COLUMN} + toIntervalDay(${wanted[table]})`,
  }));

const COLUMN = 'toDateTime(recorded_at)';
