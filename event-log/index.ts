/** The event log: its port, the log embedded on LMDB, and Confluent's wire format for a log on Kafka. */
export type * from './port.ts';
export { openLmdbLog } from './lmdb/open-lmdb-log.ts';
export type { LmdbEventLog, OpenLmdbLogOptions } from './lmdb/open-lmdb-log.ts';
export { createRegistryClient } from './registry/registry-client.ts';
export type { RegistryClient, RegistryConnection } from './registry/registry-client.ts';
export { createRegistryWire } from './registry/registry-wire.ts';
export type { RegistryWire } from './registry/registry-wire.ts';
export { checkRegistry } from './registry/check-registry.ts';
export type { CheckRegistryOptions } from './registry/check-registry.ts';
