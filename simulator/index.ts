/** A telecom world that produces events and answers decisions; for demos, tests and benchmarks. */
export { createWorld } from './world.ts';
export type { Response, Shown, Touchpoint, World, WorldOptions } from './world.ts';
export type { LifeEvent } from './life.ts';
export type { Attributes, Customer } from './customer.ts';
export { FROZEN } from './parameters.ts';
export type { Parameters } from './parameters.ts';
export { createRandom } from './random.ts';
export type { Random } from './random.ts';
export { createSchedule } from './schedule.ts';
export type { Schedule } from './schedule.ts';
export { startTraffic } from './traffic.ts';
export type { DecisionAnswer, Traffic, TrafficOptions } from './traffic.ts';
