/** `attune up`: API, pipeline and embedded warehouse on one machine, each its own supervised process; with the demo on top. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { refuseRealEngines } from '../demo/refuse-real-engines.ts';
import { EXIT } from '../exit-codes.ts';
import { tellUnknown } from '../config/given-variables.ts';
import { openIdKey } from '../id-key.ts';
import { refuseOpenDoor } from '../open-door.ts';
import type { FromRole } from '../supervisor/messages.ts';
import { supervise } from '../supervisor/supervise.ts';
import type { Supervised } from '../supervisor/supervise.ts';
import { createTerminal } from '../supervisor/terminal.ts';

const ENTRY = fileURLToPath(new URL('../attune.mjs', import.meta.url));
/** npm passes Ctrl-C on to us although the terminal has sent it already; two within this time are one. */
const SAME_KEYPRESS_MS = 400;

/** Draining runs against the stream: nothing new comes in, what came in is folded, what was folded is stored. */
const DRAIN_ORDER = ['demo', 'api', 'pipeline', 'warehouse'];

export const up = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: { demo: { type: 'boolean', default: false }, force: { type: 'boolean', default: false } },
    allowNegative: true,
  });
  if (values.demo) refuseRealEngines(config, values.force);
  refuseOpenDoor(config);
  openIdKey(config);

  const terminal = createTerminal({ output: process.stdout, now: Date.now });
  const embedded = config.clickhouse.url === null;
  const env: NodeJS.ProcessEnv = { ...process.env };
  if (embedded) env['ATTUNE_WAREHOUSE_PORT'] = String(config.warehousePort === 0 ? await freePort() : config.warehousePort);
  const children = new Map<string, Supervised>();
  let stopping = false;

  const onMessage = (role: string, message: FromRole): void => {
    if (stopping) return;
    if (message.kind === 'live') {
      terminal.live(message.text);
    } else if (role === 'api') {
      // The port is known now, and must stay the same when the API is started again.
      env['ATTUNE_PORT'] = String(message.port ?? config.port);
      terminal.line('attune', `ready: ${urlOf(config.host, message.port ?? config.port)} (API description at /docs); Ctrl-C stops`);
      if (values.demo && !children.has('demo')) begin('demo', values.force ? ['demo', '--force'] : ['demo']);
    }
  };

  const onGivenUp = (role: string, code: number): void => {
    if (code === EXIT.unavailable) {
      terminal.line('attune', `${role} does not run on this machine; everything else goes on, and the log keeps what it would have stored`);
    } else if (role === 'demo') {
      terminal.line('attune', 'the demo has ended; the system goes on');
    } else {
      terminal.line('attune', `${role} cannot be started; stopping`);
      void stop(code === EXIT.unusable ? EXIT.unusable : EXIT.failed);
    }
  };

  const begin = (role: string, command: readonly string[]): void => {
    children.set(
      role,
      supervise({ role, entry: ENTRY, args: command, env, onLine: (who, text) => terminal.line(who, text), onMessage, onGivenUp }),
    );
  };

  const stop = async (exitCode: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    terminal.close();
    terminal.line('attune', 'draining (Ctrl-C again forces)');
    for (const role of DRAIN_ORDER) await children.get(role)?.stop();
    terminal.line('attune', 'stopped');
    process.exit(exitCode);
  };

  let interruptedAtMs = -Infinity;
  const onSignal = (): void => {
    const nowMs = performance.now();
    if (nowMs - interruptedAtMs < SAME_KEYPRESS_MS) return;
    if (interruptedAtMs > -Infinity) {
      for (const child of children.values()) child.kill();
      terminal.line('attune', 'forced; a restart resumes from the log');
      process.exit(130);
    }
    interruptedAtMs = nowMs;
    void stop(EXIT.ok);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // Without a reader our output may break; the roles matter more than it.
  process.stdout.on('error', () => {});

  for (const name of config.unknown) terminal.line('attune', tellUnknown(name));
  if (embedded) begin('warehouse', ['warehouse']);
  begin('pipeline', ['pipeline']);
  begin('api', ['serve']);
};

const urlOf = (host: string, port: number): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};
