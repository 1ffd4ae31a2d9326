/** ClickHouse's HTTP interface, as much of it as its clients use, in front of an engine. */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { decodedBody, encodedBody } from './coding.ts';
import type { Engine, Result, Statement } from './engine.ts';
import type { ClickHouseFault } from './errors.ts';
import { fault, faultOf, statusOf } from './errors.ts';
import { READER, roleOf, type Role, type WarehouseUsers } from './users.ts';

export interface HttpDeps {
  readonly engine: Engine;
  readonly users: WarehouseUsers;
  /** Data of inserts lie here until they are in. */
  readonly spoolDir: string;
  /** SQL in a body is held in memory up to here. */
  readonly maxSqlBytes?: number;
}

/** Of the HTTP interface itself, not settings of the engine. */
const NOT_SETTINGS = new Set([
  'query',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'database',
  'user',
  'password',
  'default_format',
  'compress',
  'decompress',
  'role',
  'quota_key',
  'client_protocol_version',
  'wait_end_of_query',
  'buffer_size',
  'enable_http_compression',
  'http_zlib_compression_level',
  'stacktrace',
  'http_headers_progress_interval_ms',
  'send_progress_in_http_headers',
  'cancel_http_readonly_queries_on_client_close',
  'http_write_exception_in_output_format',
]);

export const createWarehouseHttp = (deps: HttpDeps): Server => {
  const server = createServer({ keepAliveTimeout: 30_000, requestTimeout: 600_000 }, (request, response) => {
    void answer(deps, request, response).catch((error: unknown) => fail(response, faultOf(error)));
  });
  return server;
};

const answer = async (deps: HttpDeps, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://warehouse');
  response.setHeader('X-ClickHouse-Server-Display-Name', 'attune-embedded');
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') return void response.end('Ok.\n');
  if (url.pathname !== '/') return void response.writeHead(404).end(`There is no handle ${url.pathname}\n`);
  const queryId = url.searchParams.get('query_id') || randomUUID();
  response.setHeader('X-ClickHouse-Query-Id', queryId);
  const role = authenticated(deps.users, request, url);
  if (url.searchParams.get('compress') === '1' || url.searchParams.get('decompress') === '1') {
    throw fault(48, 'NOT_IMPLEMENTED', "ClickHouse's own block compression is not served here; use Content-Encoding");
  }
  const files: string[] = [];
  try {
    const statement = await statementOf(deps, { request, url, files, mayWrite: role === 'writer' });
    if (statement.sql.trim() === '') return void response.end('Ok.\n');
    const mayWrite = role === 'writer' && request.method === 'POST';
    if (mayWrite && url.searchParams.get('wait_end_of_query') === '1' && isQuestion(statement.sql)) {
      const file = path.join(deps.spoolDir, `${randomUUID()}.out`);
      files.push(file);
      return await sendFile(response, statement, await deps.engine.readToFile(statement, file), file);
    }
    const result = mayWrite ? await writerDoes(deps.engine, statement) : await deps.engine.read(statement);
    await send(request, response, url, statement, result);
  } finally {
    for (const file of files) await rm(file, { force: true });
  }
};

/** The writer's own questions go to the reader lanes, so that a long SELECT holds up no insert. */
const writerDoes = (engine: Engine, statement: Statement): Promise<Result> =>
  isQuestion(statement.sql) && !/\bSETTINGS\b/i.test(statement.sql) ? engine.read(statement, true) : engine.write(statement);

const isQuestion = (sql: string): boolean => /^\s*(SELECT|WITH|SHOW|DESCRIBE|EXISTS)\b/i.test(sql);

interface Asked {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** Gets the names of those that are to be removed afterwards. */
  readonly files: string[];
  readonly mayWrite: boolean;
}

const statementOf = async (deps: HttpDeps, { request, url, files, mayWrite }: Asked): Promise<Statement> => {
  const params: Record<string, string> = {};
  const settings: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    if (name.startsWith('param_')) params[name.slice(6)] = value;
    else if (!NOT_SETTINGS.has(name)) settings[name] = value;
  }
  const base = {
    database: header(request, 'x-clickhouse-database') ?? (url.searchParams.get('database') || 'default'),
    format: header(request, 'x-clickhouse-format') ?? (url.searchParams.get('default_format') || 'TabSeparated'),
    params,
    settings,
  };
  const given = url.searchParams.get('query') ?? '';
  if (request.method !== 'POST') return { ...base, sql: given };
  const body = decodedBody(request, mayWrite);
  if (/^\s*INSERT\b/i.test(given)) {
    const dataFile = path.join(deps.spoolDir, `${randomUUID()}.bin`);
    files.push(dataFile);
    const file = createWriteStream(dataFile);
    await pipeline(body, file);
    if (file.bytesWritten === 0 && !/\b(FORMAT\s+\w+|VALUES)\s*;?\s*$/i.test(given)) return { ...base, sql: given };
    return { ...base, sql: given, dataFile };
  }
  const parts: Buffer[] = given === '' ? [] : [Buffer.from(`${given}\n`)];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > (deps.maxSqlBytes ?? 64 * 2 ** 20))
      throw fault(62, 'SYNTAX_ERROR', 'the query is too long; send data with query= and the data as body');
    parts.push(part);
  }
  const whole = Buffer.concat(parts);
  const head = INSERT_HEAD.exec(whole.toString('latin1', 0, Math.min(whole.length, 65_536)))?.[0];
  if (head === undefined || head.length >= whole.length) return { ...base, sql: whole.toString('utf8') };
  const dataFile = path.join(deps.spoolDir, `${randomUUID()}.bin`);
  files.push(dataFile);
  await writeFile(dataFile, whole.subarray(head.length));
  return { ...base, sql: whole.toString('utf8', 0, head.length), dataFile };
};

/** Of an INSERT whose data follow in the same body, as clickhouse-connect sends it; one blank parts them. */
const INSERT_HEAD = /^\s*INSERT\s+INTO\s+[^()]+?(?:\([^)]*\))?\s*(?:SETTINGS\s+[^()]*?)?\s*FORMAT\s+\w+(?:\r?\n|[ \t])/i;

const authenticated = (users: WarehouseUsers, request: IncomingMessage, url: URL): Role => {
  let name = header(request, 'x-clickhouse-user') ?? url.searchParams.get('user') ?? READER;
  let password = header(request, 'x-clickhouse-key') ?? url.searchParams.get('password') ?? '';
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    name = text.slice(0, colon);
    password = text.slice(colon + 1);
  }
  const role = roleOf(users, name, password);
  if (role === null)
    throw fault(516, 'AUTHENTICATION_FAILED', `${name}: Authentication failed: password is incorrect, or there is no user with such name`);
  return role;
};

const CONTENT_TYPES: readonly (readonly [RegExp, string])[] = [
  [/^JSON(EachRow|StringsEachRow|Lines)|^NDJSON|^JSONCompact\w*EachRow/i, 'application/x-ndjson; charset=UTF-8'],
  [/^JSON/i, 'application/json; charset=UTF-8'],
  [/^CSV/i, 'text/csv; charset=UTF-8; header=absent'],
  [/^TabSeparated|^TSV/i, 'text/tab-separated-values; charset=UTF-8'],
  [/^Parquet|^Arrow|^Native|^RowBinary|^ORC|^Avro/i, 'application/octet-stream'],
];

const describeResult = (response: ServerResponse, format: string, result: Result): void => {
  response.setHeader('X-ClickHouse-Format', format);
  response.setHeader('X-ClickHouse-Summary', JSON.stringify(summaryOf(result)));
  response.setHeader('Content-Type', CONTENT_TYPES.find(([pattern]) => pattern.test(format))?.[1] ?? 'text/plain; charset=UTF-8');
};

/** An answer that is whole in a file: of any size, and never held in memory. */
const sendFile = async (response: ServerResponse, statement: Statement, result: Result, file: string): Promise<void> => {
  describeResult(response, formatOf(statement), result);
  response.setHeader('Content-Length', (await stat(file)).size);
  await pipeline(createReadStream(file), response);
};

const formatOf = ({ sql, format }: Statement): string => /\bFORMAT\s+(\w+)\s*(?:SETTINGS[^]*)?;?\s*$/i.exec(sql)?.[1] ?? format;

const send = async (request: IncomingMessage, response: ServerResponse, url: URL, statement: Statement, result: Result): Promise<void> => {
  const compress = url.searchParams.get('enable_http_compression') !== '0' && result.bytes.length > 0;
  const body = compress
    ? await encodedBody([request.headers['accept-encoding'] ?? ''].flat().join(','), result.bytes)
    : { coding: null, bytes: result.bytes };
  if (body.coding !== null) response.setHeader('Content-Encoding', body.coding);
  describeResult(response, formatOf(statement), result);
  response.setHeader('Content-Length', body.bytes.length);
  response.end(body.bytes);
};

const summaryOf = (result: Result): Readonly<Record<string, string>> => ({
  read_rows: String(result.rowsRead),
  read_bytes: String(result.bytesRead),
  written_rows: String(result.rowsWritten),
  written_bytes: String(result.bytesWritten),
  total_rows_to_read: '0',
  result_rows: String(result.rowsWritten),
  result_bytes: String(result.bytes.length),
  elapsed_ns: String(Math.round(result.elapsedMs * 1e6)),
});

const fail = (response: ServerResponse, error: ClickHouseFault): void => {
  if (response.headersSent) return void response.destroy();
  response.setHeader('X-ClickHouse-Exception-Code', String(error.clickhouseCode));
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  if (error.clickhouseCode === 516) response.setHeader('WWW-Authenticate', 'Basic realm="ClickHouse server HTTP API"');
  response.writeHead(statusOf(error)).end(`${error.message}\n`);
};

const header = (request: IncomingMessage, name: string): string | null => {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
};
