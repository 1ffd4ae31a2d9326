/** Exploration: from priorities to exact probabilities, and from a uniform number to a choice. Pure and deterministic. */
export { scalePriorities } from './scale-priorities.ts';
export { inverseGapWeighting } from './inverse-gap-weighting.ts';
export { gammaOf, DEFAULT_GAMMA_SCHEDULE, type GammaSchedule } from './gamma-schedule.ts';
export { sampleIndex } from './sample-index.ts';
export { greedy, uniform } from './baselines.ts';
