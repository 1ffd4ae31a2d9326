import { createClient } from '@clickhouse/client';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EMBEDDED_SERVER_MAIN, startEmbeddedServer, type EmbeddedServer } from './start-embedded-server.ts';
import { hasChdb } from './test-chdb.ts';

const tmp = () => mkdtempSync(path.join(os.tmpdir(), 'attune-warehouse-'));

describe.skipIf(!hasChdb())('the embedded server (skipped where the optional package chdb is absent)', () => {
  const dir = tmp();
  let server: EmbeddedServer;
  let writer: ReturnType<typeof createClient>;
  let reader: ReturnType<typeof createClient>;

  beforeAll(async () => {
    server = await startEmbeddedServer({ dir });
    const connect = (username: 'pipeline' | 'reader') =>
      createClient({ url: server.url, username, password: server.users[username], database: 'attune', log: { level: 127 } });
    writer = connect('pipeline');
    reader = connect('reader');
    await writer.command({ query: 'CREATE TABLE t (a UInt32, s String, f Array(Float32)) ENGINE = MergeTree ORDER BY a' });
  });
  afterAll(async () => {
    await writer.close();
    await reader.close();
    await server.stop();
  });

  const rows = async <T>(query: string, query_params: Record<string, unknown> = {}) =>
    (await reader.query({ query, query_params, format: 'JSONEachRow' })).json<T>();
  const basic = (user: 'pipeline' | 'reader') => `Basic ${Buffer.from(`${user}:${server.users[user]}`).toString('base64')}`;
  const post = (user: 'pipeline' | 'reader', search: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/?database=attune&${search}`, {
      method: 'POST',
      body: body as never,
      headers: { authorization: basic(user), ...headers },
    });

  describe('as @clickhouse/client and others use it', () => {
    test('answers ping to anyone, and a query to nobody without a password', async () => {
      expect((await writer.ping()).success).toBe(true);
      const refused = await fetch(server.url, { method: 'POST', body: 'SELECT 1' });
      expect([refused.status, refused.headers.get('x-clickhouse-exception-code')]).toEqual([403, '516']);
      expect(await refused.text()).toMatch(/^Code: 516\. DB::Exception: .+ \(AUTHENTICATION_FAILED\)/);
      expect(statSync(path.join(dir, 'users.json')).mode & 0o077).toBe(0);
    });

    test('inserts rows by client.insert, as objects and as a stream', async () => {
      await writer.command({ query: 'TRUNCATE TABLE t' });
      await writer.insert({ table: 't', values: [{ a: 1, s: "it's", f: [0.5] }], format: 'JSONEachRow' });
      await writer.insert({
        table: 't',
        values: Readable.from([
          { a: 2, s: 'x', f: [] },
          { a: 3, s: '\n', f: [] },
        ]),
        format: 'JSONEachRow',
      });
      expect(await rows('SELECT a, s FROM t ORDER BY a')).toEqual([
        { a: 1, s: "it's" },
        { a: 2, s: 'x' },
        { a: 3, s: '\n' },
      ]);
    });

    test('gives the query id back, and a summary that counts the rows', async () => {
      const done = await writer.insert({ table: 't', values: [{ a: 9 }], format: 'JSONEachRow', query_id: 'q-1' });
      expect(done.query_id).toBe('q-1');
      expect(done.summary?.written_rows).toBe('1');
    });

    test("an error has ClickHouse's code and type for the client", async () => {
      await expect(reader.query({ query: 'SELECT * FROM nowhere' })).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
      await expect(reader.query({ query: 'SELEC' })).rejects.toMatchObject({ code: '62' });
    });

    test('takes bodies in gzip, zstd and br, and answers in the coding that the client accepts', async () => {
      await writer.command({ query: 'TRUNCATE TABLE t' });
      const bodies = { gzip: gzipSync('{"a":1}\n'), zstd: zstdCompressSync('{"a":2}\n'), br: brotliCompressSync('{"a":3}\n') };
      for (const [coding, body] of Object.entries(bodies)) {
        const done = await post('pipeline', 'query=INSERT+INTO+t+FORMAT+JSONEachRow', body, { 'content-encoding': coding });
        expect([done.status, await done.text()]).toEqual([200, '']);
      }
      for (const coding of ['gzip', 'zstd', 'br']) {
        const answer = await post('reader', '', 'SELECT sum(a) FROM t', { 'accept-encoding': coding });
        expect(answer.headers.get('content-encoding')).toBe(coding);
        if (coding !== 'zstd') expect(await answer.text()).toBe('6\n');
      }
      const compressing = createClient({
        url: server.url,
        username: 'reader',
        password: server.users.reader,
        compression: { response: true, request: true },
      });
      expect(await (await compressing.query({ query: 'SELECT 6 AS n', format: 'JSONEachRow' })).json()).toEqual([{ n: 6 }]);
      await compressing.close();
    });

    test('an insert in a coding that is not served is refused to the reader as a write, and the pipeline is told what to do', async () => {
      const body = Buffer.from('INSERT INTO t FORMAT Native\n');
      const said = async (user: 'pipeline' | 'reader') => (await post(user, '', body, { 'content-encoding': 'lz4' })).text();
      expect(await said('reader')).toMatch(/^Code: 164\..*\(READONLY\)/);
      expect(await said('pipeline')).toMatch(/^Code: 36\..*unknown Content-Encoding lz4: .*compress='zstd'/);
    });

    test('an answer of the pipeline that waits for its end goes through a file, whole or as an error, and leaves none', async () => {
      const ask = (sql: string) => post('pipeline', 'wait_end_of_query=1', sql);
      const whole = await ask('SELECT number, toString(number) FROM numbers(200000) FORMAT CSV');
      expect([whole.status, whole.headers.get('x-clickhouse-format')]).toEqual([200, 'CSV']);
      expect((await whole.text()).split('\n')).toHaveLength(200_001);
      const failed = await ask('SELECT throwIf(number = 199999) FROM numbers(200000) FORMAT CSV');
      expect([failed.status, await failed.text()]).toEqual([500, expect.stringMatching(/^Code: 395\./)]);
      expect(await (await ask('SELECT 7 AS n FORMAT JSONEachRow')).text()).toBe('{"n":7}\n');
      await expect.poll(() => readdirSync(path.join(dir, 'spool'))).toEqual([]);
      expect((await post('reader', 'wait_end_of_query=1', "SELECT 1 INTO OUTFILE '/tmp/x'")).status).toBe(403);
    });

    test('writes Parquet and RowBinary out', async () => {
      const parquet = Buffer.from(await (await post('reader', '', 'SELECT number FROM numbers(3) FORMAT Parquet')).arrayBuffer());
      expect(parquet.subarray(0, 4).toString()).toBe('PAR1');
      expect(Buffer.from(await (await post('reader', '', 'SELECT toUInt32(258) FORMAT RowBinary')).arrayBuffer())).toEqual(
        Buffer.from([2, 1, 0, 0]),
      );
    });

    test('a GET reads, and writes for nobody', async () => {
      const get = (query: string) =>
        fetch(`${server.url}/?query=${encodeURIComponent(query)}`, { headers: { authorization: basic('pipeline') } });
      expect(await (await get('SELECT 1')).text()).toBe('1\n');
      expect((await get('DROP TABLE attune.t')).status).toBe(403);
    });

    test('settings hold for one statement of the pipeline only', async () => {
      const asked = async (settings: Record<string, string>) =>
        text((await writer.exec({ query: 'EXPLAIN SYNTAX SELECT 1 SETTINGS max_threads = 1', clickhouse_settings: settings })).stream);
      await asked({ max_block_size: '123' });
      await writer.command({
        query: "CREATE TABLE seen ENGINE = Memory AS SELECT value, changed FROM system.settings WHERE name = 'max_block_size'",
      });
      expect(await rows("SELECT value FROM seen WHERE value = '123'")).toEqual([]);
    });
  });

  describe('the traps of chDB', () => {
    test('1: a query that fails in mid-result leaves none of its rows to the next one', async () => {
      for (let i = 0; i < 8; i++) {
        await expect(rows('SELECT number, throwIf(number = 200000) FROM numbers(300000)')).rejects.toMatchObject({ code: '395' });
        expect(await rows(`SELECT ${i} AS n`)).toEqual([{ n: i }]);
      }
    });

    test('2: a heavy query of a reader holds up neither an insert nor another reader', async () => {
      const started = performance.now();
      let heavyDone = 0;
      const heavy = rows('SELECT sleepEachRow(0.4) FROM numbers(6)').then(() => (heavyDone = performance.now() - started));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await Promise.all([rows('SELECT 1'), writer.insert({ table: 't', values: [{ a: 77 }], format: 'JSONEachRow' })]);
      const others = performance.now() - started;
      await heavy;
      expect(others).toBeLessThan(heavyDone);
    });

    test.each([
      ['writing a file', (file: string) => `SELECT 1 INTO OUTFILE '${file}'`],
      ['writing a file through EXPLAIN', (file: string) => `EXPLAIN AST SELECT 1 INTO OUTFILE '${file}'`],
      ['writing a file behind a comment', (file: string) => `SELECT 1 INTO/**/OUTFILE '${file}'`],
      ['writing by a table function', (file: string) => `INSERT INTO FUNCTION file('${file}', 'CSV', 'a Int8') VALUES (1)`],
    ])('3: a reader is refused %s', async (_what, query) => {
      const file = path.join(tmp(), 'stolen');
      await expect(reader.command({ query: query(file) })).rejects.toMatchObject({ code: '164' });
      expect(existsSync(file)).toBe(false);
    });

    test.each([
      ['the function file', (file: string) => `SELECT file('${file}')`],
      ['its quoted name', (file: string) => `SELECT \`file\`('${file}')`],
      ['its escaped name', (file: string) => `SELECT \`\\x66ile\` ('${file}')`],
      ['its name apart by a comment', (file: string) => `SELECT file/**/('${file}')`],
      ['the table function file', (file: string) => `SELECT * FROM file('${file}', 'LineAsString')`],
      ['DESCRIBE', (file: string) => `DESCRIBE file('${file}', 'CSV')`],
      ['EXPLAIN', (file: string) => `EXPLAIN PLAN SELECT file('${file}')`],
      ['a sub-query', (file: string) => `SELECT (SELECT * FROM (SELECT file('${file}')))`],
      ['a name of the file system', (file: string) => `SELECT * FROM default.\`${file}\``],
      ['url()', () => `SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')`],
      ['remote()', () => `SELECT * FROM remote('127.0.0.1:9', system.one)`],
    ])('3: a reader is refused reading a file through %s', async (_what, query) => {
      const file = path.join(tmp(), 'secret.csv');
      writeFileSync(file, 'secret-content\n');
      await expect(reader.query({ query: query(file) }).then((result) => result.text())).rejects.toMatchObject({ code: '164' });
    });

    test.each([
      'SET readonly = 0',
      'SET max_execution_time = 0',
      'SELECT 1 SETTINGS readonly = 0',
      'INSERT INTO t (a) VALUES (1)',
      'DROP TABLE t',
      'SYSTEM SHUTDOWN',
      'CREATE TABLE x (a Int8) ENGINE = Memory',
      'USE default',
    ])('3: a reader is refused %s', async (query) => {
      await expect(reader.command({ query })).rejects.toMatchObject({ code: '164' });
    });

    test('3: a reader cannot lift the limits by request settings, and two statements in one are refused', async () => {
      const [row] = await (
        await reader.query({
          query: "SELECT value FROM system.settings WHERE name = 'readonly'",
          format: 'JSONEachRow',
          clickhouse_settings: { readonly: '0' },
        })
      ).json<{ value: string }>();
      expect(row?.value).toBe('1');
      await expect(reader.query({ query: 'SELECT 1; DROP TABLE t' })).rejects.toMatchObject({ code: '62' });
    });

    test('4: arrays and texts with quotes, backslashes and new lines arrive as they were', async () => {
      const list = ["it's", 'a\\b', '"', 'line\nbreak', 'tab\t', ''];
      expect(await rows('SELECT {list:Array(String)} AS list, {text:String} AS text', { list, text: list.join('|') })).toEqual([
        { list, text: list.join('|') },
      ]);
    });

    test('4: parameters of queries that run at once do not mix, and one that is not given is missed', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => rows<{ n: number }>('SELECT {n:UInt32} AS n', { n: i })));
      expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      await expect(rows('SELECT {n:UInt32} AS n')).rejects.toMatchObject({ code: '456' });
    });

    test('6: RowBinary goes in byte for byte, also where it ends in a new line', async () => {
      await writer.command({ query: 'TRUNCATE TABLE t' });
      const row = Buffer.from([10, 0, 0, 0, 2, 13, 10, 1, 0, 0, 32, 65, 10, 0, 0, 0, 1, 10, 0]);
      const bytes = Buffer.concat([row, Buffer.from([10, 0, 0, 0, 1, 10, 0]), Buffer.from([10, 0, 0, 0, 0, 1, 10, 10, 10, 10])]);
      const { stream } = await writer.exec({
        query: 'INSERT INTO t (a, s, f) FORMAT RowBinary',
        values: Readable.from([bytes], { objectMode: false }),
      });
      await text(stream);
      expect(await rows('SELECT count() AS n, sum(a) AS a, groupArray(s) AS s FROM (SELECT * FROM t ORDER BY length(f), s)')).toEqual([
        { n: 4, a: 40, s: expect.arrayContaining(['\r\n', '\n', '']) },
      ]);
    });

    test('7: a second process is told who holds the directory', async () => {
      await expect(startEmbeddedServer({ dir })).rejects.toThrow(/code 76|one process may open/);
    });
  });
});

describe.skipIf(!hasChdb())('the life of the embedded process', () => {
  test('5: a query past max_execution_time ends by itself, and the session serves on', async () => {
    // In this process: the limit is an option of the engine, and one process may open one directory.
    const dir = tmp();
    const script = `
      import { serveWarehouse } from ${JSON.stringify(new URL('./serve.ts', import.meta.url).href)};
      import { readWarehouseUsers } from ${JSON.stringify(new URL('./users.ts', import.meta.url).href)};
      const warehouse = await serveWarehouse({ dir: ${JSON.stringify(dir)}, host: '127.0.0.1', port: 0, maxExecutionSeconds: 1, readers: 1 });
      const ask = (body) => fetch(warehouse.url, { method: 'POST', body, headers: { 'x-clickhouse-user': 'reader', 'x-clickhouse-key': readWarehouseUsers(${JSON.stringify(dir)}).reader } }).then((r) => r.text());
      console.log(JSON.stringify([await ask('SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1'), await ask('SELECT 7')]));
      await warehouse.stop();
      process.exit(0);`;
    const out = await new Promise<string>((resolve, reject) =>
      execFile(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('.', import.meta.url).pathname }, (error, stdout) =>
        error === null ? resolve(stdout) : reject(new Error(error.message)),
      ),
    );
    const [first, second] = JSON.parse(out) as string[];
    expect(first).toMatch(/^Code: 159\..+\(TIMEOUT_EXCEEDED\)/);
    expect(second).toBe('7\n');
  });

  test('7: it ends with a parent that is killed, and gives the directory free', async () => {
    const dir = tmp();
    const script = `
      import { fork } from 'node:child_process';
      const child = fork(${JSON.stringify(EMBEDDED_SERVER_MAIN)}, ['--dir', ${JSON.stringify(dir)}, '--port', '0'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      child.on('message', () => process.send({ pid: child.pid }));`;
    const file = path.join(tmp(), 'parent.mjs');
    writeFileSync(file, script);
    const parent = fork(file, { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const pid = await new Promise<number>((resolve) => parent.once('message', (message: { pid: number }) => resolve(message.pid)));
    parent.kill('SIGKILL');
    await expect.poll(() => alive(pid), { timeout: 10_000 }).toBe(false);
    const next = await startEmbeddedServer({ dir });
    await next.stop();
  });

  test('rows that were acknowledged are there after kill -9, passwords too', async () => {
    const dir = tmp();
    const first = await startEmbeddedServer({ dir });
    const client = createClient({ url: first.url, username: 'pipeline', password: first.users.pipeline, database: 'attune' });
    await client.command({ query: 'CREATE TABLE k (a UInt32) ENGINE = MergeTree ORDER BY a' });
    for (let i = 0; i < 5; i++) await client.insert({ table: 'k', values: [{ a: i }], format: 'JSONEachRow' });
    await client.close();
    await first.kill();
    const second = await startEmbeddedServer({ dir });
    const again = createClient({ url: second.url, username: 'reader', password: first.users.reader, database: 'attune' });
    expect(await (await again.query({ query: 'SELECT count() AS n FROM k', format: 'JSONEachRow' })).json()).toEqual([{ n: 5 }]);
    await again.close();
    await second.stop();
  });
});

test('without chdb the process says what to do, and ends', async () => {
  const hide = `import Module from 'node:module'; const resolve = Module._resolveFilename;
    Module._resolveFilename = (request, ...rest) => { if (request.startsWith('chdb')) throw new Error('Cannot find module'); return resolve(request, ...rest); };`;
  const child = fork(EMBEDDED_SERVER_MAIN, ['--dir', tmp(), '--port', '0'], {
    execArgv: ['--import', `data:text/javascript,${encodeURIComponent(hide)}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exit = once(child, 'exit');
  const [message] = (await once(child, 'message')) as [{ code: string; message: string }];
  expect(message).toMatchObject({ kind: 'failed', code: 'warehouse.no-chdb' });
  expect(message.message).toContain('point CLICKHOUSE_URL at a ClickHouse server');
  expect(await exit).toEqual([78, null]);
});

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
