/** The stream roles: state folds, learn learns, record keeps; and the care of the log. */
export { SILENT } from './role.ts';
export type { Logger, Role } from './role.ts';
export { compileRewards, PLAIN_REWARDS } from './rewards/compile-rewards.ts';
export type { Rewards } from './rewards/rewards.ts';
export { createStateRole } from './state/state-role.ts';
export type { StateProject, StateRole, StateRoleDeps } from './state/state-role.ts';
export { TIMER_EVENT } from './state/timer-event.ts';
export { listDeadLetters, replayDeadLetters } from './dead-letters/dead-letters.ts';
export type { DeadLetterFilter } from './dead-letters/dead-letters.ts';
export { createRetentionTask, REQUIRED_GROUPS } from './retention.ts';
export type { RetentionDeps } from './retention.ts';
export { createRecordRole, RECORD_GROUP } from './record/index.ts';
export type { RecordRole, RecordRoleDeps } from './record/index.ts';
export { createLearnRole } from './learn/learn-role.ts';
export type { LearnRole, LearnRoleDeps } from './learn/learn-role.ts';
export type { ProfileOf } from './learn/experience-of.ts';
export * from './record/index.ts';
// The pure fold, for simulations in virtual time.
export { applyInput } from './state/apply-input.ts';
export type { StateFacts } from './state/context.ts';
export type { CustomerWork } from './state/customer-work.ts';
export type { StateInput } from './state/input.ts';
export { DEFAULT_BATCH, processBatch } from './state/process-batch.ts';
export type { BatchDeps } from './state/process-batch.ts';
export { createStateMetrics } from './state/metrics.ts';
export type { StateMetrics } from './state/metrics.ts';
