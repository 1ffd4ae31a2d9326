/** The event log: its port, and the log embedded on LMDB. */
export type * from './port.ts';
export { openLmdbLog } from './lmdb/open-lmdb-log.ts';
export type { LmdbEventLog, OpenLmdbLogOptions } from './lmdb/open-lmdb-log.ts';
