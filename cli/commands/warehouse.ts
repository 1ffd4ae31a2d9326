/** `attune warehouse`: the embedded warehouse, chDB behind ClickHouse’s HTTP interface on loopback. */
import { loadEmbeddedServer } from '#warehouse';
import type { Config } from '../config.ts';
import { warehouseDir } from '../open-warehouse.ts';
import { runRole } from '../run-role.ts';

export const warehouse = (config: Config): Promise<void> =>
  runRole('warehouse', config, async () => {
    const { serveWarehouse } = await loadEmbeddedServer();
    const server = await serveWarehouse({
      dir: warehouseDir(config),
      host: '127.0.0.1',
      port: config.warehousePort,
      passwords: config.warehousePasswords,
    });
    const port = Number(new URL(server.url).port);
    return {
      detail: `listening at ${server.url} (ClickHouse ${server.version}); user reader, password in ${warehouseDir(config)}/users.json`,
      port,
      stop: () => server.stop(),
    };
  });
