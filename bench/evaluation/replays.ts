/**
 * The gate on many logs of one world: a challenger that is worth just what the champion is, and one that is worth 5 % more.
 *
 * The champion is the policy that logged. The challenger is a mixture, whose share makes it worth exactly so much, of a better model's policy and either
 * the champion's own (`near`: most of what they do is alike, as with a retrained model) or a worse model's (`far`: it does everything differently). The oracle's z-test knows the true E[r | x, a] and the true variance of the paired difference by it, the least that any estimator can have on this
 * log; it is one-sided at 5 %, with 80 % power.
 */
import {
  asymptoticInterval,
  crossFit,
  differenceSequence,
  doublyRobust,
  influenceOf,
  judgePromotion,
  pairedDoublyRobust,
  supportOf,
  valueOf,
} from '#models/evaluation';
import { ridgeOf } from './coverage.ts';
import { createWorld, mix, valueOfPolicy } from './world.ts';

export interface Replays {
  readonly promoted: number;
  readonly rounds: number;
  /** Of an oracle's z-test at 80 % power; NaN when the challenger is no better. */
  readonly oracleRounds: number;
  readonly meanDifference: number;
  readonly trueDifference: number;
  /** By the anytime-valid sequence at its end. */
  readonly promotedAnytime: number;
}

export interface ReplayOptions {
  readonly replays: number;
  /** Challenger's value over the champion's. */
  readonly ratio: number;
  readonly apart: 'near' | 'far';
  /** Rounds of each log; or as a multiple of the oracle's. */
  readonly rounds?: number;
  readonly timesOracle?: number;
  readonly worldSeed?: number;
}

const [Z_95, Z_80] = [1.6448536269514722, 0.8416212335729143];

export const replayGate = (options: ReplayOptions, onProgress: (done: number) => void = () => undefined): Replays => {
  const { replays, ratio, apart, timesOracle = 2, worldSeed = 11 } = options;
  const world = createWorld(worldSeed);
  const large = world.sample(1_000_000, 999_983);
  const [champion, better, worse] = [large.logging, large.better, large.worse].map((policy) => valueOfPolicy(policy, large.truth)) as [
    number,
    number,
    number,
  ];
  const other = apart === 'near' ? champion : worse;
  const share = (ratio * champion - other) / (better - other);
  if (!(share >= 0 && share <= 1))
    throw new Error(`a challenger worth ${ratio} of the champion is not between the world's models: ${other}, ${better}`);
  const trueDifference = (ratio - 1) * champion;
  const ideal = influenceOf(
    pairedDoublyRobust(large.log, mix(large.better, apart === 'near' ? large.logging : large.worse, share), large.logging, large.truth),
  );
  const variance = ideal.reduce((sum, psi) => sum + psi * psi, 0) / ideal.length;
  const oracleRounds = ratio === 1 ? NaN : Math.ceil(((Z_95 + Z_80) ** 2 * variance) / trueDifference ** 2);
  const rounds = options.rounds ?? Math.floor(timesOracle * oracleRounds);
  let [promoted, anytime, sum] = [0, 0, 0];
  for (let seed = 0; seed < replays; seed++) {
    const { log, x, logging, better, worse } = world.sample(rounds, 1_000_000 + seed);
    const challenger = mix(better, apart === 'near' ? logging : worse, share);
    const q = crossFit(log, ridgeOf({ log, x }), { folds: 3, seed });
    const difference = asymptoticInterval(pairedDoublyRobust(log, challenger, logging, q));
    sum += difference.value;
    const judged = judgePromotion({
      difference,
      champion: valueOf(doublyRobust(log, logging, q)),
      support: supportOf(log, challenger),
      championOutside: 0,
      calibration: null,
      latency: { decisions: rounds, challengerP99Us: 100, championP99Us: 100 },
    });
    promoted += judged.promotes ? 1 : 0;
    anytime += differenceSequence(log, challenger, logging, { reward: { low: 0, high: 1 } }).low.at(-1)! > 0 ? 1 : 0;
    onProgress(seed + 1);
  }
  return {
    promoted: promoted / replays,
    rounds,
    oracleRounds,
    meanDifference: sum / replays,
    trueDifference,
    promotedAnytime: anytime / replays,
  };
};
