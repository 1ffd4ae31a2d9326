/** Outbound channels: adapters that take a message to its customer, and what their peers tell of it. */
export { openAdapter } from './open-adapter.ts';
export { refuseMissingSecrets } from './secrets.ts';
export type { AdapterDeps } from './deps.ts';
