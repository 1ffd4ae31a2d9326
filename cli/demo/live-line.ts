/** The demo's one line about the loop. */
import { differenceOfProportions } from './rates.ts';
import type { Acceptance } from './rates.ts';

export interface LiveFigures {
  readonly decisionsPerSecond: number;
  readonly model: Acceptance;
  readonly random: Acceptance;
  readonly modelVersion: string;
  readonly snapshot: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
}

export const liveLine = ({ decisionsPerSecond, model, random, modelVersion, snapshot, p50Ms, p99Ms, failures }: LiveFigures): string => {
  const parts = [
    `${Math.round(decisionsPerSecond)} decisions/s`,
    `accepted ${percent(model)} model, ${percent(random)} random, lift ${lift(model, random)}`,
    `model ${modelVersion.slice(0, 8)}${snapshot === null ? '' : `#${snapshot}`}`,
    `p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} ms`,
  ];
  if (failures > 0) parts.push(`${failures} failed`);
  return parts.join(' · ');
};

const percent = ({ successes, trials }: Acceptance): string => (trials === 0 ? '–' : `${((100 * successes) / trials).toFixed(1)} %`);
/** In percentage points, with the 95 % interval. */
const lift = (model: Acceptance, random: Acceptance): string => {
  if (model.trials === 0 || random.trials === 0) return '–';
  const { low, high } = differenceOfProportions(model, random);
  return `${points(model.successes / model.trials - random.successes / random.trials)} [${points(low)}, ${points(high)}]`;
};

const points = (value: number): string => `${value >= 0 ? '+' : '−'}${Math.abs(100 * value).toFixed(1)}`;
