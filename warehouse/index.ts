/** The warehouse: ClickHouse, or chDB behind ClickHouse's HTTP interface. */
export * from './client/open-warehouse.ts';
export { findTable, listTables } from './export/find-table.ts';
export { parseCondition } from './export/parse-condition.ts';
export { planExport, type ExportRequest } from './export/plan-export.ts';
export { parseRetentionDays, type RetentionDays } from './client/retention.ts';
export * from './client/row-binary.ts';
export * from './client/tables.ts';
export { readLoggedRows } from './queries/logged-rows.ts';
export { EMBEDDED_SERVER_MAIN, loadEmbeddedServer, startEmbeddedServer, type EmbeddedServer } from './server/start-embedded-server.ts';
export { READER, WRITER, readWarehouseUsers, type WarehouseUsers } from './server/users.ts';
export type { EmbeddedWarehouse } from './server/serve.ts';
