/** Into the warehouse. */
export { createRecordRole, RECORD_GROUP, type RecordRole, type RecordRoleDeps } from './record-role.ts';
export type { RowSources } from './rows-of.ts';
