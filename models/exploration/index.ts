/** Exploration: from priorities to exact probabilities, and from a uniform number to a choice. Pure and deterministic. */
export type { Arms, ResolvedPolicy } from './arms.ts';
export {
  DEFAULT_EXPLORATION,
  DEFAULT_OWN_EXPLORATION,
  POLICY_NAMES,
  distribute,
  errorSourceOf,
  resolvePolicy,
  type ErrorSource,
  type ExplorationSpec,
} from './policies.ts';
export { errorFromCounts } from './standard-errors.ts';
export { scalePriorities } from './scale-priorities.ts';
export { inverseGapWeighting } from './inverse-gap-weighting.ts';
export { gammaOf, sampleSizeOf, DEFAULT_GAMMA_SCHEDULE, type GammaSchedule } from './gamma-schedule.ts';
export { sampleIndex } from './sample-index.ts';
export { greedy, uniform } from './baselines.ts';
export { LEAST_DRAWS } from './thompson-draws.ts';
export { createUniformState, nextUniform, seedUniform, type UniformState } from './uniform-stream.ts';
