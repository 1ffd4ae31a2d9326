/**
 * The embedded warehouse's own process: `node warehouse/server/main.ts --dir data/warehouse --port 8123`.
 *
 * Says `{ kind: 'ready', url }` to a parent over IPC, and the same as a JSON line on stdout; ends with its parent.
 */
import { parseArgs } from 'node:util';
import { loadEmbeddedServer } from './start-embedded-server.ts';

const { values } = parseArgs({ options: { dir: { type: 'string' }, port: { type: 'string' }, host: { type: 'string' } } });
const dir = values.dir ?? process.env['ATTUNE_WAREHOUSE_DIR'] ?? `${process.env['ATTUNE_DATA_DIR'] ?? './data'}/warehouse`;
const port = Number(values.port ?? process.env['ATTUNE_WAREHOUSE_PORT'] ?? 8123);
const host = values.host ?? process.env['ATTUNE_WAREHOUSE_HOST'] ?? '127.0.0.1';
const say = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);

// The parent may die before or while we start: its lock on the directory must not outlive it.
process.on('disconnect', () => process.exit(0));

try {
  const { serveWarehouse } = await loadEmbeddedServer();
  const warehouse = await serveWarehouse({ dir, port, host });
  const stop = () => {
    setTimeout(() => process.exit(1), 10_000).unref();
    void warehouse.stop().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  say({ kind: 'ready', url: warehouse.url, version: warehouse.version });
  process.send?.({ kind: 'ready', url: warehouse.url });
} catch (error) {
  const { message, code } = error as { message: string; code?: string };
  process.stderr.write(`${message}\n`);
  const exit = () => process.exit(code === 'warehouse.no-chdb' ? 78 : 1);
  if (process.send) process.send({ kind: 'failed', code: code ?? 'warehouse.failed', message }, exit);
  else exit();
}
