/** The warehouse by configuration: the server that CLICKHOUSE_URL names, else the embedded one on loopback. */
import { join } from 'node:path';
import { openWarehouse, readWarehouseUsers, WRITER } from '#warehouse';
import type { Warehouse } from '#warehouse';
import type { Config } from './config.ts';

export const warehouseDir = (config: Config): string => join(config.dataDir, 'warehouse');

/** Connects on first use: the warehouse may be down. */
export const openConfiguredWarehouse = (config: Config): Warehouse => {
  const { url, username, password, database } = config.clickhouse;
  if (url !== null) return openWarehouse({ url, username, password, database });
  return openWarehouse({
    url: `http://127.0.0.1:${config.warehousePort}`,
    username: WRITER,
    password: readWarehouseUsers(warehouseDir(config), config.warehousePasswords).pipeline,
    database,
  });
};
