/** The registry's roles alone: light enough for a process that only serves. */
export { createModelRoles } from './roles.ts';
export type { ModelRoles } from './roles.ts';
