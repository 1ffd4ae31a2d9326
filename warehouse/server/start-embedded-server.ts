/** Starts the embedded warehouse as a child process that ends with this one. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AttuneError } from '#contracts';
import type * as Serve from './serve.ts';
import { readWarehouseUsers, type WarehouseUsers } from './users.ts';

/** For a supervisor that starts it itself: `node <this> --dir … --port …`. */
export const EMBEDDED_SERVER_MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

export interface EmbeddedServer {
  readonly url: string;
  readonly users: WarehouseUsers;
  readonly pid: number;
  /** SIGTERM, and waits for the end. Safe to call twice. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

/** Rejects with `warehouse.no-chdb` or `warehouse.failed`. @param options.port default 0: a free one */
export const startEmbeddedServer = async (options: { readonly dir: string; readonly port?: number }): Promise<EmbeddedServer> => {
  const child = fork(EMBEDDED_SERVER_MAIN, ['--dir', options.dir, '--port', String(options.port ?? 0)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let noise = '';
  child.stderr?.on('data', (text: Buffer) => (noise = (noise + text.toString()).slice(-4_000)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new AttuneError('warehouse.failed', `the embedded warehouse ended at start (${code ?? signal}): ${noise.trim()}`)),
    );
    child.on('message', (message: { kind: string; url?: string; code?: string; message?: string }) => {
      if (message.kind === 'ready') resolve(message.url!);
      if (message.kind === 'failed') reject(new AttuneError(message.code!, message.message!));
    });
  });
  const end = (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended;
  };
  return { url, users: readWarehouseUsers(options.dir), pid: child.pid!, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
};

/** The embedded server for a process of the caller's own; its modules are read only where it is wanted. Nothing else should run there. */
export const loadEmbeddedServer = (): Promise<typeof Serve> => {
  // Statements run on libuv's threads: where they have not started yet, let there be enough for the file work of inserts.
  process.env['UV_THREADPOOL_SIZE'] ??= '12';
  process.env['TZ'] = 'UTC';
  return import('./serve.ts');
};
