/** Does contacting make customers come to us? An always-valid answer, and what follows from it. Pure. */
export { addCounts, addTrial, type BackfireCounts, type BackfireTrial } from './counts.ts';
export { backfireBounds, type BackfireBounds } from './sequence.ts';
export { guardVerdict, type GuardSettings, type GuardVerdict } from './guarding.ts';
export { shrunkRise } from './rise.ts';
