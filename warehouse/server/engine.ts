/** chDB as one writer session beside several reader sessions on one data directory; each session is a lane that runs one thing at a time. */
import { mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { AttuneError } from '#contracts';
import { ClickHouseFault, fault, faultOf } from './errors.ts';
import { parametersOf, refusalForReaders } from './readers-may.ts';

export interface Statement {
  readonly sql: string;
  readonly database: string;
  /** As the HTTP interface gets them: param_x=…, without the prefix. */
  readonly params: Readonly<Record<string, string>>;
  /** Of this statement only; readers' are dropped, since under readonly=1 none may change. */
  readonly settings: Readonly<Record<string, string>>;
  /** Output format where the SQL names none. */
  readonly format: string;
  /** A file that holds the data of an INSERT … FORMAT x. */
  readonly dataFile?: string;
}

export interface Result {
  readonly bytes: Buffer;
  readonly elapsedMs: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly rowsWritten: number;
  readonly bytesWritten: number;
}

export interface Engine {
  readonly version: string;
  /** Under readonly=1. @param trusted skips the judgement of what a reader may ask */
  read(statement: Statement, trusted?: boolean): Promise<Result>;
  write(statement: Statement): Promise<Result>;
  /**
   * For the pipeline's user: a SELECT whose answer, of any size, is written to `file`, which must not be there yet, instead of being
   * held in memory. In a session of its own, without limits of time; the file is whole when this resolves.
   */
  readToFile(statement: Statement, file: string): Promise<Result>;
  /** Waits for what runs. Safe to call twice. */
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly dir: string;
  /** Sessions for readers. Default 2: each running statement holds one of libuv's four threads. */
  readonly readers?: number;
  /** A reader's statement is ended after this. chDB cannot be interrupted from outside. */
  readonly maxExecutionSeconds?: number;
  readonly maxResultBytes?: number;
}

interface NativeResult {
  readonly bytes?: Uint8Array;
  readonly elapsed: number;
  readonly rowsRead?: number;
  readonly bytesRead?: number;
  readonly rowsWritten?: number;
  readonly bytesWritten?: number;
}

interface Native {
  CreateConnection(dir: string): unknown;
  CloseConnection(connection: unknown): void;
  QueryAsyncConnection(connection: unknown, sql: string, format: string): Promise<NativeResult>;
  InsertRawAsyncConnection(connection: unknown, sql: string, data: Uint8Array, countLines: boolean): Promise<NativeResult>;
}

/**
 * chDB's own addon: its Session class offers neither binary inserts nor two statements that no other may come between.
 * Throws `warehouse.no-chdb`.
 */
const loadNative = (): Native => {
  try {
    const require = createRequire(import.meta.url);
    const home = path.dirname(require.resolve('chdb/package.json'));
    return (require(path.join(home, 'dist/loader.js')) as { loadNative(): Native }).loadNative();
  } catch (cause) {
    throw new AttuneError(
      'warehouse.no-chdb',
      'the embedded warehouse needs the optional package chdb, which is missing here (no build for this platform, or npm left it out): ' +
        'point CLICKHOUSE_URL at a ClickHouse server, or run npm ci again. Until then the event log keeps what is to be recorded',
      { cause },
    );
  }
};

export const openEngine = async (options: EngineOptions): Promise<Engine> => {
  const native = loadNative();
  const dir = path.resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  const open = () => {
    try {
      return native.CreateConnection(path.join(dir, 'chdb'));
    } catch (cause) {
      // chDB says only that it failed; a directory that another process holds (its code 76) is by far the likeliest cause.
      throw new AttuneError(
        'warehouse.locked',
        `the warehouse in ${options.dir} does not open: one process may open it, and another seems to hold it (code 76). ${(cause as Error).message}`,
        { cause },
      );
    }
  };
  const writer = createLane(native, open());
  const readers = Array.from({ length: options.readers ?? 2 }, () => createLane(native, open()));
  const run = (lane: Lane, sql: string) => lane.exclusively((session) => session.query(sql));
  await run(writer, 'CREATE DATABASE IF NOT EXISTS attune');
  await run(writer, 'SET max_query_size = 1048576, input_format_binary_read_json_as_string = 1');
  for (const lane of readers) {
    const seconds = options.maxExecutionSeconds ?? 60;
    await run(
      lane,
      `SET max_query_size = 1048576, max_execution_time = ${seconds}, max_result_bytes = ${options.maxResultBytes ?? 2 ** 30}, result_overflow_mode = 'throw'`,
    );
    await run(lane, 'SET readonly = 1');
  }
  let exports: Promise<Lane> | undefined;
  const openExports = async (): Promise<Lane> => {
    const lane = createLane(native, open());
    // What does not fit goes through files here too.
    await run(
      lane,
      'SET max_query_size = 1048576, max_bytes_before_external_sort = 268435456, max_bytes_before_external_group_by = 268435456',
    );
    return lane;
  };
  const version = String((await run(readers[0]!, 'SELECT version()')).bytes).trim();
  let next = 0;
  let closing: Promise<void> | undefined;

  return {
    version,
    read(statement, trusted = false) {
      const lane = readers.reduce((best, one) => (one.waiting < best.waiting ? one : best), readers[next++ % readers.length]!);
      return lane.exclusively(async (session) => {
        const canonical = trusted ? statement.sql : await canonicalOf(session, statement.sql);
        const refusal = trusted ? null : refusalForReaders(canonical);
        if (refusal !== null) throw fault(164, 'READONLY', refusal);
        const missing = parametersOf(canonical).find((name) => !(name in statement.params));
        if (missing !== undefined) throw fault(456, 'UNKNOWN_QUERY_PARAMETER', `Substitution \`${missing}\` is not set`);
        await session.prepare(statement);
        return session.query(statement.sql, statement.format);
      });
    },
    write(statement) {
      return writer.exclusively((session) =>
        withSettings(session, statement, () =>
          statement.dataFile === undefined
            ? session.query(statement.sql, statement.format)
            : session.insert(fromFile(statement.sql, statement.dataFile)),
        ),
      );
    },
    async readToFile(statement, file) {
      exports ??= openExports().catch((error: unknown) => {
        exports = undefined;
        throw error;
      });
      const lane = await exports;
      return lane.exclusively((session) =>
        withSettings(session, statement, () => session.query(intoFile(statement, file), statement.format)),
      );
    },
    close() {
      closing ??= (async () => closeAll([writer, ...readers, ...(exports === undefined ? [] : [await exports])]))();
      return closing;
    },
  };
};

/** Of this statement only: the session is as it was before. */
const withSettings = async (session: LaneSession, statement: Statement, work: () => Promise<Result>): Promise<Result> => {
  await session.prepare(statement);
  const settings = Object.entries(statement.settings);
  try {
    for (const [name, value] of settings) await session.query(`SET ${identifier(name)} = '${escape(value)}'`);
    return await work();
  } finally {
    for (const [name] of settings) await session.query(`SET ${identifier(name)} = DEFAULT`).catch(() => {});
  }
};

const canonicalOf = async (session: LaneSession, sql: string): Promise<string> => {
  try {
    return String((await session.query(`SELECT formatQuerySingleLine('${escape(sql)}')`, 'RawBLOB')).bytes);
  } catch (error) {
    // The reader asked something else than what failed here.
    const { clickhouseCode, message } = faultOf(error);
    throw new ClickHouseFault(clickhouseCode, message.replace(/:? In scope SELECT formatQuerySingleLine\([^]*\)\. \(/, '. ('), {
      cause: error,
    });
  }
};

const closeAll = async (lanes: readonly Lane[]): Promise<void> => {
  await Promise.all(lanes.map((lane) => lane.close()));
};

interface LaneSession {
  query(sql: string, format?: string): Promise<Result>;
  insert(sql: string): Promise<Result>;
  prepare(statement: Statement): Promise<void>;
}

type Lane = ReturnType<typeof createLane>;

const createLane = (native: Native, connection: unknown) => {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let database = '';

  /** After any failure a session gives the failed statement's rows first to the next one: that one is run here and thrown away. */
  const guarded = async (work: () => Promise<NativeResult>): Promise<Result> => {
    try {
      return resultOf(await work());
    } catch (cause) {
      for (let i = 0; i < 3; i++) {
        const probe = await native.QueryAsyncConnection(connection, "SELECT 'clean'", 'TabSeparated').catch(() => null);
        if (probe !== null && String(Buffer.from(probe.bytes ?? [])).trim() === 'clean') break;
      }
      throw faultOf(cause);
    }
  };
  const session: LaneSession = {
    query: (sql, format = 'TabSeparated') => guarded(() => native.QueryAsyncConnection(connection, sql, format)),
    insert: (sql) => guarded(() => native.InsertRawAsyncConnection(connection, sql, Buffer.alloc(0), false)),
    async prepare(statement) {
      if (statement.database !== database) {
        await session.query(`USE ${identifier(statement.database)}`);
        database = statement.database;
      }
      // chDB's bound parameters lose arrays with quotes, and are shared by all sessions of a process; a literal of this session is neither.
      const params = Object.entries(statement.params);
      if (params.length > 0)
        await session.query(`SET ${params.map(([name, value]) => `${identifier(`param_${name}`)} = '${escape(value)}'`).join(', ')}`);
    },
  };
  return {
    get waiting() {
      return waiting;
    },
    exclusively<T>(work: (session: LaneSession) => Promise<T>): Promise<T> {
      waiting++;
      const done = tail.then(() => work(session)).finally(() => waiting--);
      tail = done.catch(() => {});
      return done;
    },
    async close() {
      await tail;
      native.CloseConnection(connection);
    },
  };
};

const resultOf = (raw: NativeResult): Result => ({
  bytes: Buffer.from(raw.bytes ?? new Uint8Array(0)),
  elapsedMs: raw.elapsed * 1_000,
  rowsRead: raw.rowsRead ?? 0,
  bytesRead: raw.bytesRead ?? 0,
  rowsWritten: raw.rowsWritten ?? 0,
  bytesWritten: raw.bytesWritten ?? 0,
});

const INSERT_TAIL = /((?:\s+SETTINGS\s+[^]*?)?)\s+FORMAT\s+(\w+)\s*;?\s*$/i;

/** Inline data lose a last byte that is a newline, which binary formats cannot bear; a file does not. */
const fromFile = (sql: string, file: string): string => {
  const insert = /\bVALUES\s*;?\s*$/i.test(sql) ? sql.replace(/\bVALUES\s*;?\s*$/i, ' FORMAT Values') : sql;
  if (!INSERT_TAIL.test(insert)) throw fault(62, 'SYNTAX_ERROR', 'an INSERT with data must end in FORMAT and its name');
  return insert.replace(
    INSERT_TAIL,
    (_all, settings: string, format: string) => ` FROM INFILE '${escape(file)}'${settings} FORMAT ${format}`,
  );
};

const FORMAT_TAIL = /\s+FORMAT\s+(\w+)\s*;?\s*$/i;

const intoFile = ({ sql, format }: Statement, file: string): string => {
  const named = FORMAT_TAIL.exec(sql)?.[1] ?? format;
  return `${sql.replace(FORMAT_TAIL, '').replace(/;\s*$/, '')} INTO OUTFILE '${escape(file)}' FORMAT ${named}`;
};

const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0');

const identifier = (name: string): string => {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw fault(62, 'SYNTAX_ERROR', `not a name: ${name}`);
  return name;
};

/** A place for the data of inserts in hand; what a killed process left there is removed. */
export const openSpool = (dir: string): string => {
  const spool = path.join(path.resolve(dir), 'spool');
  rmSync(spool, { recursive: true, force: true });
  mkdirSync(spool, { recursive: true });
  return spool;
};
