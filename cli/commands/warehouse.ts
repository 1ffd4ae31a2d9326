/** `attune warehouse`: the embedded warehouse, chDB behind ClickHouse’s HTTP interface on loopback. */
import { loadEmbeddedServer } from '#warehouse';
import type { Config } from '../config.ts';
import { warehouseDir } from '../open-warehouse.ts';
import { refuseTakenPort } from '../refuse-taken-port.ts';
import { runRole } from '../run-role.ts';

export const warehouse = (config: Config): Promise<void> =>
  runRole('warehouse', config, async () => {
    const { serveWarehouse } = await loadEmbeddedServer();
    const host = '127.0.0.1';
    const port = config.warehousePort;
    await refuseTakenPort({ host, port, variable: 'ATTUNE_WAREHOUSE_PORT' });
    const server = await serveWarehouse({
      dir: warehouseDir(config),
      host,
      port,
      passwords: config.warehousePasswords,
    });
    return {
      detail: `listening at ${server.url} (ClickHouse ${server.version}); user reader, password in ${warehouseDir(config)}/users.json`,
      port: Number(new URL(server.url).port),
      stop: () => server.stop(),
    };
  });
