/** The warehouse by configuration: the server that CLICKHOUSE_URL names, else the embedded one on loopback. */
import { join } from 'node:path';
import { openWarehouse, parseRetentionDays, readWarehouseUsers, WRITER } from '#warehouse';
import type { Warehouse } from '#warehouse';
import type { Config } from './config.ts';

export const warehouseDir = (config: Config): string => join(config.dataDir, 'warehouse');

/** Connects on first use: the warehouse may be down. Throws `config.invalid` for days that no table has. */
export const openConfiguredWarehouse = (config: Config): Warehouse => {
  const { url, username, password, database, cluster } = config.clickhouse;
  const retentionDays = parseRetentionDays(config.warehouseTtlDays);
  if (url !== null) return openWarehouse({ url, username, password, database, cluster, retentionDays });
  return openWarehouse({
    url: `http://127.0.0.1:${config.warehousePort}`,
    username: WRITER,
    password: readWarehouseUsers(warehouseDir(config), config.warehousePasswords).pipeline,
    database,
    retentionDays,
  });
};
