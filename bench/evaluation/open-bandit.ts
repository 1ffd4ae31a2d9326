/**
 * The Open Bandit Dataset's small sample: what the Thompson-sampling policy of the shop is worth, by the log of the uniform one, and the other way round;
 * each against the clicks that its own log shows, and against obp on the very same rounds.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { asymptoticInterval, crossFit, ridgeRewardModel, supportOf, valueOf, type LoggedRounds, type PerAction } from '#models/evaluation';
import { ESTIMATORS } from './obp-synthetic.ts';
import { runObp } from './run-obp.ts';
import { createRandom } from './world.ts';

const POSITIONS = 3;

interface Rounds {
  readonly log: LoggedRounds;
  /** 0, 1, 2: left, centre, right. */
  readonly position: Int32Array;
}

export interface OpenBanditRow {
  readonly campaign: string;
  /** The policy whose value is asked; the log is the other one's. */
  readonly policy: 'bts' | 'random';
  /** Clicks a round in the policy's own log, and half of its 95 % interval. */
  readonly truth: number;
  readonly truthHalf: number;
  readonly estimates: Readonly<Record<string, number>>;
  /** Of DR, asymptotic. */
  readonly low: number;
  readonly high: number;
  readonly effectiveN: number;
  /** To obp on the same rounds; null without Python. */
  readonly largestDifference: number | null;
}

/** Null: the data are not there. @param dir holds open-bandit-small/, or is it */
export const runOpenBandit = (dir: string, python: string | null): readonly OpenBanditRow[] | null => {
  const folder = [join(dir, 'open-bandit-small'), dir].find((one) => existsSync(join(one, 'random_men_men.csv.gz')));
  if (folder === undefined) return null;
  const priors = parseYaml(readText(join(folder, 'obp_policy_conf_prior_bts.yaml.gz'))) as Record<
    string,
    { alpha: number[]; beta: number[] }
  >;
  return ['men', 'women'].flatMap((campaign) => {
    const [random, bts] = [readRounds(folder, 'random', campaign), readRounds(folder, 'bts', campaign)];
    const K = Math.max(random.log.actions, bts.log.actions);
    const shares = thompsonShares(priors[campaign]!, K);
    const uniform = new Float64Array(POSITIONS * K).fill(1 / K);
    return [
      evaluate({ campaign, policy: 'bts', log: random, own: bts, shares, K, python }),
      evaluate({ campaign, policy: 'random', log: bts, own: random, shares: uniform, K, python }),
    ];
  });
};

const evaluate = ({
  campaign,
  policy,
  log: { log, position },
  own,
  shares,
  K,
  python,
}: {
  readonly campaign: string;
  readonly policy: 'bts' | 'random';
  readonly log: Rounds;
  readonly own: Rounds;
  /** POSITIONS × K. */
  readonly shares: Float64Array;
  readonly K: number;
  readonly python: string | null;
}): OpenBanditRow => {
  const n = log.action.length;
  const rounds: LoggedRounds = { ...log, actions: K };
  const chosen: PerAction = new Float64Array(n * K);
  for (let i = 0; i < n; i++) chosen.set(shares.subarray(position[i]! * K, (position[i]! + 1) * K), i * K);
  const places = Array.from({ length: POSITIONS }, (_, p) => Float64Array.from({ length: POSITIONS }, (_, d) => (d === p ? 1 : 0)));
  // Some fifty clicks over three dozen items: an item is believed to be like the others until hundreds of rounds say otherwise.
  const model = ridgeRewardModel(rounds, { dims: POSITIONS, x: (row) => places[position[row]!]!, ownRidge: 200 });
  const q = crossFit(rounds, model, { folds: 3, seed: 1 });
  const estimates = Object.fromEntries(Object.entries(ESTIMATORS).map(([name, estimate]) => [name, valueOf(estimate(rounds, chosen, q))]));
  const { low, high } = asymptoticInterval(ESTIMATORS['dr']!(rounds, chosen, q));
  const truth = own.log.reward.reduce((sum, r) => sum + r, 0) / own.log.reward.length;
  return {
    campaign,
    policy,
    truth,
    truthHalf: 1.96 * Math.sqrt((truth * (1 - truth)) / own.log.reward.length),
    estimates,
    low,
    high,
    effectiveN: supportOf(rounds, chosen).effectiveN,
    largestDifference: python === null ? null : differenceToObp(python, rounds, chosen, q, estimates),
  };
};

const differenceToObp = (
  python: string,
  { actions, action, reward, probability }: LoggedRounds,
  policy: PerAction,
  q: PerAction,
  ours: Readonly<Record<string, number>>,
): number =>
  runObp(
    { python, script: 'estimate.py' },
    {
      before: (files) => {
        files.write('input.json', JSON.stringify({ rounds: action.length, actions }));
        files.write(
          'input.bin',
          Buffer.concat(
            [Float64Array.from(action), reward, probability, policy, q].map(
              (part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
            ),
          ),
        );
      },
      after: (files) =>
        Math.max(
          ...Object.entries(files.json('output.json') as Record<string, number>).map(([name, value]) => Math.abs(value - ours[name]!)),
        ),
    },
  );

const readText = (path: string): string => gunzipSync(readFileSync(path)).toString('utf8');

const readRounds = (folder: string, policy: string, campaign: string): Rounds => {
  const rows = parse<Record<string, string>>(readText(join(folder, `${policy}_${campaign}_${campaign}.csv.gz`)), { columns: true });
  const column = (name: string): number[] =>
    rows.map((row, i) => {
      const value = Number(row[name]);
      if (row[name] === undefined || Number.isNaN(value)) throw new Error(`${policy}/${campaign}, row ${i + 2}: ${name} is "${row[name]}"`);
      return value;
    });
  const action = Int32Array.from(column('item_id'));
  return {
    log: {
      actions: Math.max(...action) + 1,
      action,
      reward: Float64Array.from(column('click')),
      probability: Float64Array.from(column('propensity_score')),
    },
    position: Int32Array.from(column('position'), (p) => p - 1),
  };
};

/** P(item at a position) of Bernoulli Thompson sampling: the three highest draws from each item's Beta posterior stand in their order. */
const thompsonShares = (
  { alpha, beta }: { readonly alpha: readonly number[]; readonly beta: readonly number[] },
  K: number,
  draws = 100_000,
): Float64Array => {
  const random = createRandom(17);
  const counts = new Float64Array(POSITIONS * K);
  const drawn = new Float64Array(K);
  for (let draw = 0; draw < draws; draw++) {
    for (let a = 0; a < K; a++) {
      const one = gamma(alpha[a]!, random);
      drawn[a] = one / (one + gamma(beta[a]!, random));
    }
    for (let position = 0; position < POSITIONS; position++) {
      let best = 0;
      for (let a = 1; a < K; a++) if (drawn[a]! > drawn[best]!) best = a;
      counts[position * K + best]! += 1 / draws;
      drawn[best] = -1;
    }
  }
  return counts;
};

/** Marsaglia & Tsang (2000). */
const gamma = (shape: number, random: ReturnType<typeof createRandom>): number => {
  if (shape < 1) return gamma(shape + 1, random) * random.uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
};
