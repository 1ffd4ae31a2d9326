/** How quickly the loop follows a world that changes: rewards permuted in mid-run, a best action added late, one that leaves and comes back. */
import { parseArgs } from 'node:util';
import { compileCatalog } from '#decisioning';
import { createSmallProject } from '../decisioning/testing/small-project.ts';
import { createUniformState, nextUniform, seedUniform } from '#models/exploration';
import { meanOf, playWorld } from './drift/play-world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    exploration: { type: 'string', default: '' },
    world: { type: 'string', default: '' },
  },
});
const SEEDS = Number(values.seeds);
const ARMS = 8;
const SEGMENTS = 5;
const CHANGE = 20_000;
const AFTER = 6_000;
const WINDOW = 250;
const catalog = compileCatalog(createSmallProject(values.exploration));

/** Each segment has an arm of its own that pays most, and a second best. */
const ratesOf = (seed: number, high: number, low: number): ((segment: number, arm: number) => number) => {
  const uniforms = createUniformState();
  seedUniform(uniforms, seed);
  const rates = Array.from({ length: SEGMENTS }, () => Array.from({ length: ARMS }, () => low * (0.5 + nextUniform(uniforms))));
  for (let segment = 0; segment < SEGMENTS; segment++) rates[segment]![(segment * 3 + seed) % ARMS] = high;
  return (segment, arm) => rates[segment]![arm]!;
};
const allArms = Array.from({ length: ARMS }, (_, arm) => arm);

/** Rounds after the change until the mean of a window is back at 90 % of the reward before it. */
const roundsToRecover = (seed: number, high: number, low: number): { rounds: number; before: number; at2000: number } => {
  const rateOf = ratesOf(seed, high, low);
  const { expected } = playWorld({
    seed,
    rounds: CHANGE + AFTER,
    armsAt: () => allArms,
    rateAt: (round, segment, arm) => rateOf(segment, round < CHANGE ? arm : (arm + 3) % ARMS),
    segments: SEGMENTS,
    catalog,
  });
  const before = meanOf(expected, CHANGE - 2_000, CHANGE);
  let rounds = WINDOW;
  while (rounds < AFTER && meanOf(expected, CHANGE + rounds - WINDOW, CHANGE + rounds) < 0.9 * before) rounds += 10;
  return { rounds, before, at2000: meanOf(expected, CHANGE + 1_750, CHANGE + 2_000) / before };
};

/** A best arm for everyone is added at the change: its share 2,000 rounds later, against its share in the end. */
const newArm = (seed: number, high: number, low: number): { share: number; final: number; ratio: number; half: number } => {
  const rateOf = ratesOf(seed, high * 0.6, low);
  const { chosen } = playWorld({
    seed,
    rounds: CHANGE + AFTER,
    armsAt: (round) => (round < CHANGE ? allArms : [...allArms, ARMS]),
    rateAt: (_, segment, arm) => (arm === ARMS ? high : rateOf(segment, arm)),
    segments: SEGMENTS,
    catalog,
  });
  const isNew = Array.from(chosen, (arm) => (arm === ARMS ? 1 : 0));
  const final = meanOf(isNew, CHANGE + AFTER - 1_000, CHANGE + AFTER);
  let half = WINDOW;
  while (half < AFTER && meanOf(isNew, CHANGE + half - WINDOW, CHANGE + half) < 0.5 * final) half += 10;
  const share = meanOf(isNew, CHANGE + 1_750, CHANGE + 2_000);
  return { share, final, ratio: share / final, half };
};

/** The best arm of all leaves at 8,000 and is back at the change: its share over the first 500 rounds, against before it left. */
const returning = (seed: number, high: number, low: number): number => {
  const rateOf = ratesOf(seed, high * 0.6, low);
  const gone = 8_000;
  const { chosen } = playWorld({
    seed,
    rounds: CHANGE + 600,
    armsAt: (round) => (round < gone || round >= CHANGE ? [...allArms, ARMS] : allArms),
    rateAt: (_, segment, arm) => (arm === ARMS ? high : rateOf(segment, arm)),
    segments: SEGMENTS,
    catalog,
  });
  const is = Array.from(chosen, (arm) => (arm === ARMS ? 1 : 0));
  return meanOf(is, CHANGE, CHANGE + 500) / meanOf(is, gone - 1_000, gone);
};

const summary = (list: readonly number[]) => {
  const sorted = list.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)]!, worst: sorted.at(-1)!, least: sorted[0]! };
};
const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);
const report: Record<string, unknown> = {};
const worlds = [
  ['often', 0.8, 0.2],
  ['rare', 0.2, 0.04],
] as const;
for (const [name, high, low] of worlds.filter(([name]) => values.world === '' || values.world === name)) {
  const recovered = seeds.map((seed) => roundsToRecover(seed, high, low));
  const added = seeds.map((seed) => newArm(seed, high, low));
  const returned = seeds.map((seed) => returning(seed, high, low));
  const rounds = summary(recovered.map((one) => one.rounds));
  report[name] = {
    best: high,
    rewardBefore: meanOf(
      recovered.map((one) => one.before),
      0,
      SEEDS,
    ).toFixed(3),
    roundsTo90: rounds.median,
    roundsTo90Worst: rounds.worst,
    recoveredAt2000: recovered.filter((one) => one.rounds <= 2_000).length / SEEDS,
    newArmShareOfFinal: Number(summary(added.map((one) => one.ratio)).median.toFixed(3)),
    newArmHalfAt2000: added.filter((one) => one.ratio >= 0.5).length / SEEDS,
    newArmLeast: Number(summary(added.map((one) => one.ratio)).least.toFixed(3)),
    newArmRoundsToHalf: summary(added.map((one) => one.half)).median,
    newArmFinal: Number(
      meanOf(
        added.map((one) => one.final),
        0,
        SEEDS,
      ).toFixed(3),
    ),
    returningShare: Number(summary(returned).median.toFixed(3)),
  };
  console.log(name, report[name]);
}
console.log(JSON.stringify({ bench: 'drift', seeds: SEEDS, ...report, targets: { roundsTo90: 2_000, newArmLeast: 0.5 } }));
