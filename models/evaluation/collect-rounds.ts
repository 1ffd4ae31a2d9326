/** Makes rounds of logged decisions: slot 1 of each, under several policies at once, padded to the largest number of candidates. */
import { AttuneError } from '#contracts';
import type { LoggedDecision } from '../logged/logged-decision.ts';
import type { Clusters } from './interval.ts';
import type { LoggedRounds, PerAction } from './logged-rounds.ts';
import type { Policy, SlotPolicy } from './policies.ts';
import type { LoggedSlots } from './slots.ts';

/** Why decisions say nothing here; each is counted once, by the first that holds. */
export interface LeftOut {
  /** Group `untouched`: nothing was decided there. */
  untouched: number;
  /** A mandatory notice took slot 1. */
  mandatory: number;
  /** The reward of slot 1, or of any slot where all are asked for, is not final yet. */
  unmatured: number;
  /** One of the policies does not apply. */
  notApplicable: number;
  /** Of more than was asked for, the oldest. */
  older: number;
}

export interface CollectedRounds {
  readonly log: LoggedRounds;
  /** n × K each, as the policies were given; outside support they do as the log did, so that each row sums to 1. */
  readonly policies: readonly PerAction[];
  /** Of each policy: mean probability of what could not have been logged, before that. */
  readonly outside: readonly number[];
  /** By customer. */
  readonly clusters: Clusters;
  /** n × K: which action stands there, an index into `actionIds`; −1 is `none` or nobody. */
  readonly identity: Int32Array;
  readonly actionIds: readonly string[];
  /** n × K × features, where asked for. */
  readonly features: Float64Array;
  /** Rounds whose logged choice was certain although there were others: a best action that may not be explored, or exploration was off. */
  readonly certain: number;
  /** All slots under the last policy, where they were asked for; `none` in slot 1 is a slot without reward. */
  readonly slots: LoggedSlots | null;
  /** Rounds where `none` took part: what ended their answers, and with which probability, is known of slot 1 only. */
  readonly withNone: number;
  readonly leftOut: LeftOut;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface CollectOptions {
  readonly policies: readonly Policy[];
  /** Of the last policy: collects the slots below the first, too. */
  readonly slots?: SlotPolicy;
  /** For the model of the reward: writes `count` numbers about a candidate into out[at …]. Default none. */
  readonly features?: {
    readonly count: number;
    readonly write: (decision: LoggedDecision, place: number, out: Float64Array, at: number) => void;
  };
  /** The newest so many are kept. Default 100,000. */
  readonly most?: number;
}

/** One below the first. */
interface Slot {
  readonly reward: number;
  readonly probability: number;
  readonly policy: number;
}

interface Round {
  readonly places: number;
  readonly action: number;
  readonly reward: number;
  readonly probability: number;
  readonly policies: readonly Float64Array[];
  readonly outside: readonly number[];
  readonly customer: string;
  readonly ids: readonly number[];
  readonly features: Float64Array;
  readonly certain: boolean;
  readonly hasNone: boolean;
  readonly below: readonly Slot[];
  readonly atMs: number;
}

/** Doing nothing is worth 0. Throws `evaluation.no-data`, saying what was left out and why, when nothing remains. */
export const collectRounds = async (
  decisions: AsyncIterable<readonly LoggedDecision[]>,
  options: CollectOptions,
): Promise<CollectedRounds> => {
  const { policies, features, most = 100_000 } = options;
  const leftOut: LeftOut = { untouched: 0, mandatory: 0, unmatured: 0, notApplicable: 0, older: 0 };
  const indexOf = new Map<string, number>();
  const rounds: Round[] = [];
  for await (const batch of decisions) {
    for (const decision of batch) {
      const round = roundOf(decision, options, indexOf);
      if (typeof round === 'string') leftOut[round]++;
      else rounds.push(round);
    }
    // Not at each one: an array that loses its head is copied.
    if (rounds.length > 2 * most) leftOut.older += rounds.splice(0, rounds.length - most).length;
  }
  leftOut.older += rounds.splice(0, Math.max(0, rounds.length - most)).length;
  if (rounds.length === 0) throw new AttuneError('evaluation.no-data', `no decision can be evaluated: ${tellLeftOut(leftOut)}`);
  const padded = pad(rounds, policies.length, features?.count ?? 0, leftOut, [...indexOf.keys()]);
  return options.slots === undefined ? padded : { ...padded, slots: slotsOf(rounds, padded) };
};

export const tellLeftOut = ({ untouched, mandatory, unmatured, notApplicable, older }: LeftOut): string => {
  const parts = [
    [unmatured, 'whose reward is not final yet'],
    [notApplicable, 'where the policy’s action was no candidate'],
    [mandatory, 'with a mandatory notice in slot 1'],
    [untouched, 'of the group untouched'],
    [older, 'older than the newest that were asked for'],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, why]) => `${count.toLocaleString('en')} ${why}`);
  return told.length === 0 ? 'the log holds none in this time' : `left out were ${told.join(', ')}`;
};

const roundOf = (
  decision: LoggedDecision,
  { policies, features, slots }: CollectOptions,
  indexOf: Map<string, number>,
): Round | keyof LeftOut => {
  const { candidates, probabilities, noneProbability, chosen, rewards } = decision;
  if (decision.group === 'untouched') return 'untouched';
  const slot = chosen[0];
  if (slot?.index === -1) return 'mandatory';
  if (slot === undefined && noneProbability === null) return 'notApplicable';
  const reward = slot === undefined ? 0 : rewards[0];
  if (reward === null || (typeof reward === 'object' && !reward?.matured)) return 'unmatured';
  const places = candidates.length + (noneProbability === null ? 0 : 1);
  const logged = new Float64Array(places);
  logged.set(probabilities);
  if (noneProbability !== null) logged[candidates.length] = noneProbability;
  const action = slot?.index ?? candidates.length;
  const total = logged.reduce((sum, p) => sum + p, 0);
  const outside: number[] = [];
  const chosenBy: Float64Array[] = [];
  for (const policy of policies) {
    const out = new Float64Array(candidates.length + 1);
    if (!policy(decision, out)) return 'notApplicable';
    outside.push(insideSupport(out, logged, total));
    chosenBy.push(out.subarray(0, places));
  }
  const below = slots === undefined ? [] : slotsBelow(decision, slots);
  if (typeof below === 'string') return below;
  const written = new Float64Array((features?.count ?? 0) * candidates.length);
  if (features !== undefined)
    for (let place = 0; place < candidates.length; place++) features.write(decision, place, written, place * features.count);
  return {
    places,
    action,
    reward: typeof reward === 'number' ? reward : reward!.reward,
    probability: logged[action]! / total,
    policies: chosenBy,
    outside,
    customer: decision.customerKey,
    ids: candidates.map(({ id }) => {
      let index = indexOf.get(id);
      if (index === undefined) indexOf.set(id, (index = indexOf.size));
      return index;
    }),
    features: written,
    certain: places > 1 && logged[action]! / total > 1 - 1e-6,
    hasNone: noneProbability !== null,
    below,
    atMs: decision.decidedAtMs,
  };
};

const slotsBelow = (decision: LoggedDecision, policy: SlotPolicy): Slot[] | keyof LeftOut => {
  const below: Slot[] = [];
  for (let slot = 1; slot < decision.chosen.length; slot++) {
    const reward = decision.rewards[slot];
    if (reward?.matured !== true) return 'unmatured';
    const evaluated = policy(decision, slot);
    if (evaluated === null) return 'notApplicable';
    below.push({ reward: reward.reward, probability: decision.chosen[slot]!.probability, policy: evaluated });
  }
  return below;
};

const slotsOf = (rounds: readonly Round[], { log, policies }: CollectedRounds): LoggedSlots => {
  const first = (i: number): Slot => ({
    reward: log.reward[i]!,
    probability: log.probability[i]!,
    policy: policies.at(-1)![i * log.actions + log.action[i]!]! / rowSum(policies.at(-1)!, i, log.actions),
  });
  const all = rounds.flatMap(({ below }, decision) => [first(decision), ...below].map((slot) => ({ ...slot, decision })));
  return {
    decision: Int32Array.from(all, ({ decision }) => decision),
    reward: Float64Array.from(all, ({ reward }) => reward),
    probability: Float64Array.from(all, ({ probability }) => probability),
    policy: Float64Array.from(all, ({ policy }) => policy),
  };
};

/** Logged probabilities are float32: they sum to 1 but for rounding. */
const rowSum = (policy: PerAction, row: number, K: number): number =>
  policy.subarray(row * K, (row + 1) * K).reduce((sum, p) => sum + p, 0);

/** What cannot have been logged is given to what was: the policy restricted to support, whose value the log can tell. Returns how much that was. */
const insideSupport = (out: Float64Array, logged: Float64Array, total: number): number => {
  let inside = 0;
  for (let i = 0; i < logged.length; i++) {
    if (logged[i]! > 0) inside += out[i]!;
    else out[i] = 0;
  }
  const outside = Math.max(0, 1 - inside);
  if (outside > 1e-6) for (let i = 0; i < logged.length; i++) out[i]! += (outside * logged[i]!) / total;
  return outside > 1e-6 ? outside : 0;
};

const pad = (
  rounds: readonly Round[],
  policies: number,
  count: number,
  leftOut: LeftOut,
  actionIds: readonly string[],
): CollectedRounds => {
  const n = rounds.length;
  const K = rounds.reduce((most, { places }) => Math.max(most, places), 0);
  const customers = new Map<string, number>();
  const clusters = new Int32Array(n);
  const identity = new Int32Array(n * K).fill(-1);
  const features = new Float64Array(n * K * count);
  const padded = Array.from({ length: policies }, () => new Float64Array(n * K));
  const outside = new Array<number>(policies).fill(0);
  rounds.forEach((round, i) => {
    let customer = customers.get(round.customer);
    if (customer === undefined) customers.set(round.customer, (customer = customers.size));
    clusters[i] = customer;
    identity.set(round.ids, i * K);
    features.set(round.features, i * K * count);
    padded.forEach((one, k) => one.set(round.policies[k]!, i * K));
    round.outside.forEach((share, k) => (outside[k]! += share / n));
  });
  return {
    log: {
      actions: K,
      action: Int32Array.from(rounds, ({ action }) => action),
      reward: Float64Array.from(rounds, ({ reward }) => reward),
      probability: Float64Array.from(rounds, ({ probability }) => probability),
    },
    policies: padded,
    outside,
    clusters,
    identity,
    actionIds,
    features,
    certain: rounds.filter(({ certain }) => certain).length,
    slots: null,
    withNone: rounds.filter(({ hasNone }) => hasNone).length,
    leftOut,
    fromMs: rounds[0]!.atMs,
    toMs: rounds.at(-1)!.atMs,
  };
};
