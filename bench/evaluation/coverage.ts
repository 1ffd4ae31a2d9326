/** How often intervals hold the truth, and how wide they are: 1,000 logs of one world. */
import {
  asymptoticInterval,
  asymptoticSequence,
  bootstrapInterval,
  chooseLambda,
  confidenceSequence,
  crossFit,
  doublyRobust,
  doublyRobustShrinkage,
  empiricalBernsteinInterval,
  inversePropensity,
  rangeOfRounds,
  ridgeRewardModel,
  roundsOf,
  selfNormalisedDoublyRobust,
  selfNormalisedInversePropensity,
} from '#models/evaluation';
import { createWorld, DIMS, LARGEST_WEIGHT, valueOfPolicy } from './world.ts';

export interface Coverage {
  readonly coverage: number;
  readonly width: number;
  readonly relativeBias: number;
}

const UNIT = { low: 0, high: 1 };

export const measureCoverage = (
  { simulations, rounds, worldSeed = 11 }: { readonly simulations: number; readonly rounds: number; readonly worldSeed?: number },
  onProgress: (done: number) => void = () => undefined,
): Readonly<Record<string, Coverage>> => {
  const world = createWorld(worldSeed);
  const large = world.sample(1_000_000, 999_983);
  const truth = valueOfPolicy(large.better, large.truth);
  const sums = new Map<string, { held: number; width: number; value: number }>();
  const add = (name: string, { low, high, value }: { low: number; high: number; value: number }): void => {
    const sum = sums.get(name) ?? { held: 0, width: 0, value: 0 };
    sums.set(name, sum);
    sum.held += low <= truth && truth <= high ? 1 : 0;
    sum.width += high - low;
    sum.value += value;
  };
  for (let seed = 0; seed < simulations; seed++) {
    const { log, x, better: policy } = world.sample(rounds, seed);
    const q = crossFit(log, ridgeOf({ log, x }), { folds: 3, seed });
    const bounded = q.map((value) => Math.min(1, Math.max(0, value)));
    const estimates = {
      ips: inversePropensity(log, policy),
      snips: selfNormalisedInversePropensity(log, policy),
      dr: doublyRobust(log, policy, bounded),
      sndr: selfNormalisedDoublyRobust(log, policy, bounded),
      dros: doublyRobustShrinkage(log, policy, bounded, chooseLambda(log, policy, bounded)),
    };
    for (const [name, terms] of Object.entries(estimates)) add(`asymptotic ${name}`, asymptoticInterval(terms));
    for (const name of ['ips', 'snips', 'dr', 'sndr'] as const) add(`bootstrap ${name}`, bootstrapInterval(estimates[name], { seed }));
    for (const name of ['ips', 'dr'] as const) {
      const range = rangeOfRounds({ reward: UNIT, largestWeight: LARGEST_WEIGHT, modelled: name === 'dr' });
      add(`empirical Bernstein ${name}`, empiricalBernsteinInterval(estimates[name], { range, within: UNIT }));
    }
    const sequence = confidenceSequence(log, policy, { reward: UNIT });
    add('confidence sequence ips', overall(sequence, truth));
    add('asymptotic sequence dr', overall(asymptoticSequence(roundsOf(estimates.dr)), truth));
    onProgress(seed + 1);
  }
  return Object.fromEntries(
    [...sums].map(([name, { held, width, value }]) => [
      name,
      { coverage: held / simulations, width: width / simulations, relativeBias: value / simulations / truth - 1 },
    ]),
  );
};

export const ridgeOf = ({ log, x }: { readonly log: Parameters<typeof ridgeRewardModel>[0]; readonly x: Float64Array }) =>
  ridgeRewardModel(log, { dims: DIMS + 1, x: (row) => x.subarray(row * (DIMS + 1), (row + 1) * (DIMS + 1)) });

/** Holds only when it does at every n; its width is the last one's. */
const overall = ({ low, high }: { readonly low: Float64Array; readonly high: Float64Array }, truth: number) => {
  const holds = low.every((bound) => bound <= truth) && high.every((bound) => bound >= truth);
  const [last, first] = [high.at(-1)!, low.at(-1)!];
  return holds ? { low: first, high: last, value: (first + last) / 2 } : { low: first, high: first, value: first };
};
