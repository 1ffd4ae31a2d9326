/**
 * Hillstrom's e-mail challenge (2008): 64,000 customers, three randomised arms of a third each. A policy is learned from half of the log through the
 * product's own encoder and learner, and evaluated on the other half; and a log of a skewed known policy is thinned from it, to see whether DR finds
 * the value that the whole log knows.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { UNKNOWN_CUSTOMER, type ActionProfile, type Experience, type ScoringRequest } from '#contracts';
import {
  asymptoticInterval,
  crossFit,
  doublyRobust,
  ridgeRewardModel,
  valueOf,
  type Interval,
  type LoggedRounds,
  type PerAction,
  type Terms,
} from '#models/evaluation';
import { createLearner, createVersion, type EncoderSpec } from '#models';
import { createRandom } from './world.ts';

const ARMS = ['No E-Mail', 'Mens E-Mail', 'Womens E-Mail'] as const;
const K = ARMS.length;
const ACTIONS: readonly ActionProfile[] = ARMS.map((id) => ({ id, features: { email: id } }));
const ZIPS = ['Rural', 'Surburban', 'Urban'];
const CHANNELS = ['Phone', 'Web', 'Multichannel'];

/** As a catalog's encoder.yaml would declare it. */
const ENCODER: EncoderSpec = {
  kind: 'declared',
  priorRate: 0.15,
  profile: ['email'],
  fields: [
    { source: 'attribute', name: 'recency', missing: false, encoding: { as: 'number', transform: 'none', shift: 6, scale: 0.3, clip: 3 } },
    { source: 'attribute', name: 'history', missing: false, encoding: { as: 'number', transform: 'log1p', shift: 5, scale: 1, clip: 3 } },
    { source: 'attribute', name: 'mens', missing: false, encoding: { as: 'flag' } },
    { source: 'attribute', name: 'womens', missing: false, encoding: { as: 'flag' } },
    { source: 'attribute', name: 'newbie', missing: false, encoding: { as: 'flag' } },
    { source: 'attribute', name: 'zip', missing: false, encoding: { as: 'oneHot', values: ZIPS } },
    { source: 'attribute', name: 'channel', missing: false, encoding: { as: 'oneHot', values: CHANNELS } },
  ],
  crosses: (['mens', 'womens', 'newbie', 'zip', 'channel'] as const).map((name) => ({ profile: 'email', source: 'attribute', name })),
};

interface Customer {
  readonly request: ScoringRequest;
  readonly arm: number;
  readonly visit: number;
  /** For the ridge. */
  readonly x: readonly number[];
}

/** @param dir holds hillstrom/marketing_data.csv or .csv.gz, or that file itself */
export const readHillstrom = (dir: string): readonly Customer[] | null => {
  const file = [join(dir, 'hillstrom'), dir]
    .flatMap((folder) => ['marketing_data.csv', 'marketing_data.csv.gz'].map((name) => join(folder, name)))
    .find(existsSync);
  if (file === undefined) return null;
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return parse<Record<string, string>>(text, { columns: true }).map((row, i) => {
    const number = (name: string): number => {
      const value = Number(row[name]);
      if (row[name] === undefined || Number.isNaN(value)) throw new Error(`${file}: row ${i + 2}: ${name} is not a number: "${row[name]}"`);
      return value;
    };
    const arm = ARMS.indexOf(row['segment'] as (typeof ARMS)[number]);
    if (arm < 0) throw new Error(`${file}: row ${i + 2}: segment "${row['segment']}" is none of ${ARMS.join(', ')}`);
    const attributes = {
      recency: number('recency'),
      history: number('history'),
      mens: row['mens'] === '1',
      womens: row['womens'] === '1',
      newbie: row['newbie'] === '1',
      zip: row['zip_code']!,
      channel: row['channel']!,
    };
    const view = {
      ...UNKNOWN_CUSTOMER,
      known: true,
      attributes,
    };
    return {
      request: {
        view,
        context: {},
        channel: 'email',
        direction: 'outbound',
        placement: null,
        nowMs: START_MS,
      },
      arm,
      visit: number('visit'),
      x: [
        1,
        (attributes.recency - 6) / 3,
        Math.log1p(attributes.history) - 5,
        Number(attributes.mens),
        Number(attributes.womens),
        Number(attributes.newbie),
        Number(attributes.zip === 'Rural'),
        Number(attributes.channel === 'Web'),
      ],
    };
  });
};

const START_MS = Date.UTC(2008, 2, 20);

export interface HillstromReport {
  /** Of the policies learned from either half on the other, mean over the splits. */
  readonly visits: number;
  readonly low: number;
  /** Of the first half's on the second alone. */
  readonly visitsOneWay: number;
  readonly lowOneWay: number;
  /** Share of the splits where the value is at least 0.1828, and where its lower bound is above 0.1514. */
  readonly splitsAtLeastMens: number;
  readonly splitsAboveWomens: number;
  readonly mensOnSameHalves: number;
  readonly chosen: Readonly<Record<string, number>>;
  readonly thinnedMedianError: number;
  readonly thinnedErrors: Readonly<Record<string, number>>;
  readonly thinnedRounds: number;
}

export const runHillstrom = (
  customers: readonly Customer[],
  { splits, thinnings }: { readonly splits: number; readonly thinnings: number },
): HillstromReport => {
  const learned = Array.from({ length: splits }, (_, seed) => evaluateLearned(customers, seed));
  const mean = (of: (one: (typeof learned)[number]) => number): number => learned.reduce((sum, one) => sum + of(one), 0) / splits;
  const thinned = thin(customers, thinnings);
  return {
    visits: mean(({ interval }) => interval.value),
    low: mean(({ interval }) => interval.low),
    visitsOneWay: mean(({ oneWay }) => oneWay.value),
    lowOneWay: mean(({ oneWay }) => oneWay.low),
    splitsAtLeastMens: mean(({ interval }) => (interval.value >= 0.1828 ? 1 : 0)),
    splitsAboveWomens: mean(({ interval }) => (interval.low > 0.1514 ? 1 : 0)),
    mensOnSameHalves: mean(({ mens }) => mens),
    chosen: Object.fromEntries(ARMS.map((arm, a) => [arm, mean(({ shares }) => shares[a]!)])),
    ...thinned,
  };
};

/** Both ways: each half is evaluated by the policy that was learned from the other, so that every customer counts once. */
const evaluateLearned = (
  customers: readonly Customer[],
  seed: number,
): { readonly interval: Interval; readonly oneWay: Interval; readonly mens: number; readonly shares: number[] } => {
  const [one, other] = halves(customers, seed);
  const ways = [learnAndEvaluate(one, other), learnAndEvaluate(other, one)];
  return {
    interval: asymptoticInterval(joined(ways.map(({ terms }) => terms))),
    oneWay: asymptoticInterval(ways[0]!.terms),
    mens: valueOf(joined(ways.map(({ mens }) => mens))),
    shares: ARMS.map((_, a) => (ways[0]!.shares[a]! + ways[1]!.shares[a]!) / 2),
  };
};

const learnAndEvaluate = (
  train: readonly Customer[],
  held: readonly Customer[],
): { readonly terms: Terms; readonly mens: Terms; readonly shares: number[] } => {
  const learner = createLearner({ encoder: ENCODER, loop: 'hillstrom', seed: 1 });
  train.forEach(({ request, arm, visit }, i) => {
    const experience: Experience = {
      decisionId: String(i),
      rank: 1,
      request,
      action: ACTIONS[arm]!,
      probability: 1 / K,
      propensity: 0.15,
      decidedAtMs: START_MS,
    };
    learner.learnShown(experience, visit);
    // As the learner's process does every second or so: ridges are found on the way.
    if (i % 2_000 === 1_999) learner.publish();
  });
  const scorer = createVersion(learner.versionBlob).open(learner.publish().snapshotBlob);
  const out = { propensities: new Float32Array(K), effectiveN: new Float32Array(K) };
  const policy = new Float64Array(held.length * K);
  const shares = new Array<number>(K).fill(0);
  const scores = new Float64Array(held.length * K);
  held.forEach(({ request }, i) => {
    scorer.score(request, ACTIONS, out);
    scores.set(out.propensities, i * K);
    const best = out.propensities.indexOf(Math.max(...out.propensities));
    policy[i * K + best] = 1;
    shares[best]! += 1 / held.length;
  });
  const log = roundsOfCustomers(held, () => 1 / K);
  // The scores come from the other half, so they may stand in DR as they are.
  return { terms: doublyRobust(log, policy, scores), mens: doublyRobust(log, constant(held.length, 1), scores), shares };
};

const joined = (terms: readonly Terms[]): Terms => ({
  direct: Float64Array.from(terms.flatMap(({ direct }) => [...direct!])),
  correction: Float64Array.from(terms.flatMap(({ correction }) => [...correction!])),
  normaliser: null,
});

/** Probabilities of the thinned log: by what the customer bought before, one arm is usual, one is rare. */
const SKEWED = [0.65, 0.25, 0.1] as const;
const skewedProbability = ({ x }: Customer, arm: number): number => SKEWED[(arm + (x[3] === 1 ? 0 : 1) + (x[5] === 1 ? 0 : 1)) % K]!;

const thin = (
  customers: readonly Customer[],
  thinnings: number,
): Pick<HillstromReport, 'thinnedMedianError' | 'thinnedErrors' | 'thinnedRounds'> => {
  const policies: Readonly<Record<string, (n: readonly Customer[]) => PerAction>> = {
    'Mens to all': ({ length }) => constant(length, 1),
    'Womens to all': ({ length }) => constant(length, 2),
    'none to all': ({ length }) => constant(length, 0),
    'by what was bought': (rows) => {
      const policy = new Float64Array(rows.length * K);
      rows.forEach(({ x }, i) => (policy[i * K + (x[3] === 1 ? 1 : 2)] = 1));
      return policy;
    },
  };
  const whole = roundsOfCustomers(customers, () => 1 / K);
  const wholeRewards = crossFit(whole, ridgeOfCustomers(whole, customers), { folds: 5, seed: 1 });
  const truths = Object.entries(policies).map(
    ([name, policyOf]) => [name, valueOf(doublyRobust(whole, policyOf(customers), wholeRewards))] as const,
  );
  const errors = new Map<string, number[]>(truths.map(([name]) => [name, []]));
  let rounds = 0;
  for (let seed = 0; seed < thinnings; seed++) {
    const { uniform } = createRandom(40_000 + seed);
    const kept = customers.filter((customer) => uniform() < skewedProbability(customer, customer.arm) / SKEWED[0]);
    rounds += kept.length / thinnings;
    const log = roundsOfCustomers(kept, skewedProbability);
    const rewards = crossFit(log, ridgeOfCustomers(log, kept), { folds: 5, seed });
    for (const [name, truth] of truths)
      errors.get(name)!.push(Math.abs(valueOf(doublyRobust(log, policies[name]!(kept), rewards)) / truth - 1));
  }
  return {
    thinnedMedianError: median([...errors.values()].flat()),
    thinnedErrors: Object.fromEntries([...errors].map(([name, values]) => [name, median(values)])),
    thinnedRounds: Math.round(rounds),
  };
};

const ridgeOfCustomers = (log: LoggedRounds, customers: readonly Customer[]) => {
  const rows = customers.map(({ x }) => Float64Array.from(x));
  return ridgeRewardModel(log, { dims: rows[0]!.length, x: (row) => rows[row]! });
};

const roundsOfCustomers = (customers: readonly Customer[], probability: (customer: Customer, arm: number) => number): LoggedRounds => ({
  actions: K,
  action: Int32Array.from(customers, ({ arm }) => arm),
  reward: Float64Array.from(customers, ({ visit }) => visit),
  probability: Float64Array.from(customers, (customer) => probability(customer, customer.arm)),
});

const constant = (n: number, arm: number): PerAction => Float64Array.from({ length: n * K }, (_, k) => (k % K === arm ? 1 : 0));

const halves = <T>(rows: readonly T[], seed: number): readonly [T[], T[]] => {
  const { uniform } = createRandom(70_000 + seed);
  const shuffled = [...rows];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  const middle = Math.floor(shuffled.length / 2);
  return [shuffled.slice(0, middle), shuffled.slice(middle)];
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
