/** The event log: its port, the log embedded on LMDB, what a log on Kafka needs, and the outbox in front of it. */
export type * from './port.ts';
export { openLmdbLog } from './lmdb/open-lmdb-log.ts';
export type { LmdbEventLog, OpenLmdbLogOptions } from './lmdb/open-lmdb-log.ts';
export { createRegistryClient } from './registry/registry-client.ts';
export type { RegistryClient, RegistryConnection } from './registry/registry-client.ts';
export { createRegistryWire } from './registry/registry-wire.ts';
export type { RegistryWire } from './registry/registry-wire.ts';
export { createRegistryDecoder, createSchemaDecoder, jsonDecoder } from './registry/value-decoder.ts';
export type { ValueDecoder } from './registry/value-decoder.ts';
export type * from './source-port.ts';
export { checkRegistry } from './registry/check-registry.ts';
export type { CheckRegistryOptions } from './registry/check-registry.ts';
export { openOutboxLog } from './outbox/open-outbox-log.ts';
export type { OutboxLogOptions } from './outbox/open-outbox-log.ts';
export type { Circuit, Outbox, OutboxLog, OutboxLogger, OutboxStatus } from './outbox/types.ts';
