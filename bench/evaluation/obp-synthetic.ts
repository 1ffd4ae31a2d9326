/** obp's synthetic benchmark in the same run: our estimators on obp's own q̂, which must agree, and on q̂ of our own head. */
import {
  chooseLambda,
  crossFit,
  directMethod,
  doublyRobust,
  doublyRobustShrinkage,
  inversePropensity,
  ridgeRewardModel,
  selfNormalisedDoublyRobust,
  selfNormalisedInversePropensity,
  valueOf,
  type LoggedRounds,
  type PerAction,
} from '#models/evaluation';
import { runObp } from './run-obp.ts';

interface Index {
  readonly actions: number;
  readonly dims: number;
  readonly rounds: number;
  readonly seeds: readonly { readonly truth: number; readonly estimates: Readonly<Record<string, number>> }[];
}

export interface ObpComparison {
  /** Mean |V̂ − V| / V over the seeds. */
  readonly obp: Readonly<Record<string, number>>;
  readonly ours: Readonly<Record<string, number>>;
  /** ours / obp. */
  readonly ratio: Readonly<Record<string, number>>;
  /** Largest difference of any estimate on the very same q̂. */
  readonly largestDifference: number;
}

export const ESTIMATORS: Readonly<
  Record<string, (log: LoggedRounds, policy: PerAction, q: PerAction) => ReturnType<typeof inversePropensity>>
> = {
  ips: inversePropensity,
  snips: selfNormalisedInversePropensity,
  dm: directMethod,
  dr: doublyRobust,
  sndr: selfNormalisedDoublyRobust,
  dros: (log, policy, q) => doublyRobustShrinkage(log, policy, q, chooseLambda(log, policy, q)),
};

export const compareWithObp = (python: string, { seeds, rounds }: { readonly seeds: number; readonly rounds: number }): ObpComparison =>
  runObp(
    { python, script: 'synthetic.py', args: [String(seeds), String(rounds)] },
    { after: (files) => compare(files.json('index.json') as Index, files.floats) },
  );

const compare = ({ actions: K, dims, rounds: n, seeds }: Index, read: (name: string) => Float64Array): ObpComparison => {
  const [obp, ours] = [new Map<string, number>(), new Map<string, number>()];
  let largestDifference = 0;
  seeds.forEach(({ truth, estimates }, seed) => {
    const values = read(`${seed}.bin`);
    let at = 0;
    const take = (count: number): Float64Array => values.subarray(at, (at += count));
    const context = take(n * dims);
    const log: LoggedRounds = { actions: K, action: Int32Array.from(take(n)), reward: take(n), probability: take(n) };
    const [policy, theirs] = [take(n * K), take(n * K)];
    const x = Float64Array.from({ length: n * (dims + 1) }, (_, k) => {
      const column = k % (dims + 1);
      return column === 0 ? 1 : context[Math.floor(k / (dims + 1)) * dims + column - 1]!;
    });
    const model = ridgeRewardModel(log, { dims: dims + 1, x: (row) => x.subarray(row * (dims + 1), (row + 1) * (dims + 1)) });
    const own = crossFit(log, model, { folds: 3, seed });
    for (const [name, estimate] of Object.entries(ESTIMATORS)) {
      const add = (sums: Map<string, number>, value: number) =>
        void sums.set(name, (sums.get(name) ?? 0) + Math.abs(value - truth) / truth / seeds.length);
      add(obp, estimates[name]!);
      add(ours, valueOf(estimate(log, policy, own)));
      largestDifference = Math.max(largestDifference, Math.abs(valueOf(estimate(log, policy, theirs)) - estimates[name]!));
    }
  });
  return {
    obp: Object.fromEntries(obp),
    ours: Object.fromEntries(ours),
    ratio: Object.fromEntries([...ours].map(([name, error]) => [name, error / obp.get(name)!])),
    largestDifference,
  };
};
