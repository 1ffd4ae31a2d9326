/** One seed of the learning benchmark: the world, the state, deciding and learning, in one process and in virtual time. */
import { createDecisionId, createCustomerKey, customerKeyToBytes, decisionIdToBytes, shardOf, STATE_INPUTS } from '#contracts';
import type { CustomerKey, Decision, DecisionId, EventRecord, Experience, Outcome, Reward, ScoringRequest } from '#contracts';
import { compileCatalog, decide } from '#decisioning';
import type { Verdict } from '#decisioning';
import { compileFeatures, emptyState, encodeState, viewOfState } from '#feature-store';
import type { CustomerState } from '#feature-store';
import { compileEncoder, createLearner, createVersion } from '#models';
import { calibrationErrorOf } from '#models/evaluation';
import type { Tuning } from '../../models/learner.ts';
import { applyInput, compileRewards, openWork } from '#pipeline';
import type { StateFacts, StateInput } from '#pipeline';
import type { Project } from '#project';
import { createRandom, createSchedule, createWorld } from '#simulator';
import type { Response } from '#simulator';

export interface RunOptions {
  readonly project: Project;
  readonly seed: number;
  readonly decisions: number;
  readonly customers: number;
  /** Virtual time between two decisions. */
  readonly everyMs: number;
  /** Decisions between two snapshots that reach serving. */
  readonly publishEvery: number;
  /** Points of the curve. */
  readonly blocks: number;
  /** For experiments; nothing is the defaults that everybody gets. */
  readonly tuning?: Partial<Tuning>;
  readonly onBlock?: (block: Block) => void;
}

/** Means over a block of decisions of the model group; chances are the world's true ones. */
export interface Block {
  readonly until: number;
  readonly chosen: number;
  readonly uniform: number;
  readonly oracle: number;
  /** (chosen - uniform) / (oracle - uniform) */
  readonly gapClosed: number;
  /** The same of the best by priority, had nothing been explored: what the model knows, next to what exploring costs. */
  readonly greedyGapClosed: number;
}

export interface RunResult {
  readonly blocks: readonly Block[];
  /** Of the best fixed order of actions, known in hindsight: what a context-free policy could reach at most, over the same moments. */
  readonly contextFreeGapClosed: number;
  readonly meanEligible: number;
  /** Share of moments with fewer than twenty eligible actions, at which nothing was decided. */
  readonly passedOver: number;
  readonly meanAcceptance: number;
  /** Expected calibration error of the propensities of what was chosen, ten bins, against the world's true chances; second half. */
  readonly calibrationError: number;
  /** Decisions after which the lift of the model group over `random` left zero out for good; null: never. */
  readonly liftProvenAt: number | null;
  readonly lift: { readonly difference: number; readonly low: number; readonly high: number };
}

type Due =
  | { readonly kind: 'outcome'; readonly customerId: string; readonly decisionId: DecisionId; readonly response: Response }
  | { readonly kind: 'timer'; readonly customerId: string };

interface Learned {
  readonly experience: Experience;
  target: number | null;
}

const LEAST_ELIGIBLE = 20;
const START_MS = Date.UTC(2026, 0, 5);

export const runWorld = (options: RunOptions): RunResult => {
  const { project, seed, everyMs } = options;
  const catalog = compileCatalog(project);
  const featureSet = compileFeatures(project);
  const actions = new Map(catalog.actions.map((action) => [action.id, action]));
  const actionIds = catalog.actions.map(({ id }) => id);
  const facts: StateFacts = { featureSet, rewards: compileRewards(project), actionGroup: (id) => actions.get(id)?.group ?? null };
  const learner = createLearner({ encoder: compileEncoder(project), loop: '', seed, tuning: options.tuning ?? {} });
  const first = learner.publish();
  const version = createVersion(first.versionBlob);
  const world = createWorld({ seed, customers: options.customers, startMs: START_MS, perCustomerDay: 2 });
  const keyOf = cached(createCustomerKey(`bench-${seed}`));
  const random = createRandom(`bench/${seed}`);
  const due = createSchedule<Due>();
  const states = new Map<string, CustomerState>();
  const rows = new Map<string, Learned>();
  const offsets = STATE_INPUTS.map(() => 0);
  const tally = createTally(options);

  let scorer = version.open(first.snapshotBlob);

  const fold = (
    customerId: string,
    make: (record: StateInput['record'], key: CustomerKey) => StateInput,
    topicIndex: number,
    atMs: number,
  ): void => {
    const key = keyOf(customerId);
    let state = states.get(customerId);
    if (state === undefined) states.set(customerId, (state = emptyState(featureSet)));
    const record = {
      topic: STATE_INPUTS[topicIndex]!,
      partition: 0,
      offset: offsets[topicIndex]!++,
      timestampMs: atMs,
      key: null,
      value: Buffer.alloc(0),
    };
    const work = openWork({ key, facts, state });
    applyInput(work, make(record, key));
    for (const reward of work.rewards) learn(reward);
    const next = state.pending.reduce<number | null>(
      (soonest, { matureAtMs }) => (soonest === null || matureAtMs < soonest ? matureAtMs : soonest),
      null,
    );
    if (next !== null && next !== state.nextTimerMs) due.add(next, { kind: 'timer', customerId });
    state.nextTimerMs = next;
  };

  const learn = (reward: Reward): void => {
    const name = `${reward.decisionId.toString('hex')}/${reward.rank}`;
    const row = rows.get(name);
    if (row === undefined) return;
    if (row.target === null) {
      if (reward.target !== null) learner.learnShown(row.experience, reward.target);
    } else if (reward.target !== row.target) {
      learner.correct(row.experience, row.target, reward.target);
    }
    row.target = reward.target;
    if (reward.matured) rows.delete(name);
  };

  const foldEvent = ({
    id,
    type,
    customerId,
    timeMs,
    data,
  }: {
    id: string;
    type: string;
    customerId: string;
    timeMs: number;
    data: object;
  }): void => {
    fold(
      customerId,
      (record, key) => {
        const event: EventRecord = {
          id,
          source: '/world',
          type,
          subjectKind: 'customer',
          subjectId: customerId,
          customerKey: customerKeyToBytes(key),
          time: timeMs,
          receivedAt: timeMs,
          data: JSON.stringify(data),
        };
        return { kind: 'event', record, topicIndex: 0, shard: null, key, event };
      },
      0,
      timeMs,
    );
  };

  const settle = (nowMs: number): void => {
    for (let next = due.take(nowMs); next !== null; next = due.take(nowMs)) {
      const { atMs, item } = next;
      if (item.kind === 'timer') {
        const state = states.get(item.customerId)!;
        if (state.nextTimerMs === null || state.nextTimerMs > atMs) continue;
        fold(item.customerId, (record, key) => ({ kind: 'timer', record, topicIndex: 0, shard: null, key, dueMs: atMs }), 0, atMs);
        continue;
      }
      const { decisionId, response } = item;
      const outcome: Outcome = {
        outcomeId: `${decisionId}/${response.actionId}/${response.outcome}`,
        decisionId: decisionIdToBytes(decisionId),
        actionId: response.actionId,
        outcome: response.outcome,
        amount: null,
        reward: null,
        reasonCode: null,
        occurredAt: atMs,
        receivedAt: atMs,
      };
      fold(item.customerId, (record) => ({ kind: 'outcome', record, topicIndex: 2, shard: null, decisionId, outcome }), 2, atMs);
    }
  };

  /** Somebody whom at least twenty actions fit; moments of fewer are passed over, undecided and uncounted but for their number. */
  const nextMoment = (nowMs: number) => {
    for (;;) {
      const touchpoint = { ...world.touchpoint(), limit: 1 };
      const { customerId, channel, direction, context } = touchpoint;
      const key = keyOf(customerId);
      const view = viewOfState(encodeState(states.get(customerId)!, nowMs), { customerKey: key, featureSet, nowMs });
      // No placement: a placement narrows the catalog to a few actions, and the benchmark wants at least twenty.
      const request: ScoringRequest = { view, context, channel, direction, placement: null, nowMs };
      const verdict = decide({
        catalog,
        scorer,
        controls: null,
        ...request,
        limit: 1,
        allowNone: false,
        seed: Math.floor(random() * 2 ** 53),
      });
      const eligible = eligibleOf(verdict, actionIds);
      if (eligible.length >= LEAST_ELIGIBLE) return { touchpoint, request, verdict, eligible, key };
      tally.passedOver();
    }
  };

  for (const event of world.introductions()) foldEvent(event);
  let nowMs = START_MS;
  for (let n = 0; n < options.decisions; n++) {
    nowMs += everyMs;
    for (const event of world.events(nowMs)) foldEvent(event);
    settle(nowMs);
    const { touchpoint, request, verdict, eligible, key } = nextMoment(nowMs);
    const { customerId, channel, direction, context } = touchpoint;
    tally.decided(n, verdict, eligible, world.oracle({ customerId, channel, direction, context, actionIds: eligible, nowMs }));

    const chosen = verdict.chosen[0];
    if (chosen !== undefined) {
      const decisionId = createDecisionId({ atMs: nowMs, shard: shardOf(customerId), entropy: [n, seed] });
      rows.set(`${decisionIdToBytes(decisionId).toString('hex')}/1`, {
        experience: {
          decisionId,
          rank: 1,
          request,
          action: actions.get(chosen.actionId)!.profile,
          probability: chosen.probability,
          propensity: chosen.propensity,
          decidedAtMs: nowMs,
        },
        target: null,
      });
      const decision = receiptOf(verdict, { decisionId, key, customerId, touchpoint, nowMs });
      fold(customerId, (record) => ({ kind: 'decision', record, topicIndex: 1, shard: null, key, decisionId, decision }), 1, nowMs);
      const responses = world.respond({ customerId, channel, direction, context, actionIds: [chosen.actionId], nowMs });
      for (const response of responses) due.add(nowMs + response.afterMs, { kind: 'outcome', customerId, decisionId, response });
      tally.answered(
        n,
        verdict.group,
        responses.some(({ outcome }) => outcome === 'accepted'),
      );
    }
    if ((n + 1) % options.publishEvery === 0) scorer = version.open(learner.publish().snapshotBlob);
  }
  return tally.result();
};

const eligibleOf = (verdict: Verdict, ids: readonly string[]): string[] =>
  Array.from(verdict.scored)
    .filter((index) => index >= 0)
    .map((index) => ids[index]!);

/** Place of the highest priority among the scored. */
const bestOf = ({ priorities }: Verdict): number => {
  let best = 0;
  for (let i = 1; i < priorities.length; i++) if (priorities[i]! > priorities[best]!) best = i;
  return best;
};

/** Only what state reads of a receipt. */
const receiptOf = (
  verdict: Verdict,
  {
    decisionId,
    key,
    customerId,
    touchpoint,
    nowMs,
  }: {
    decisionId: DecisionId;
    key: CustomerKey;
    customerId: string;
    touchpoint: { channel: string; direction: 'inbound' | 'outbound' };
    nowMs: number;
  },
): Decision => ({
  ...verdict,
  decisionId: decisionIdToBytes(decisionId),
  subjectKind: 'customer',
  subjectId: customerId,
  customerKey: customerKeyToBytes(key),
  anonymous: false,
  requestId: null,
  decidedAt: nowMs,
  channel: touchpoint.channel,
  direction: touchpoint.direction,
  placement: null,
  limit: 1,
  loop: '',
  context: '{}',
  ownCandidates: null,
  seed: 0,
  catalogVersion: '',
  controlsVersion: 0,
  customerKnown: true,
  state: Buffer.alloc(0),
  featureSet: '',
  features: [],
  latencyUs: 0,
});

const createTally = ({ decisions, blocks: count, onBlock }: RunOptions) => {
  const size = Math.ceil(decisions / count);
  const blocks: Block[] = [];
  let sums = { n: 0, chosen: 0, greedy: 0, uniform: 0, oracle: 0 };
  let eligibleSum = 0;
  let passedOver = 0;
  let moments = 0;
  let acceptance = 0;
  // For the context-free policy: every moment's chances, kept for the last block only.
  const lastBlock: { readonly ids: readonly string[]; readonly chances: Float64Array }[] = [];
  const means = new Map<string, { n: number; sum: number }>();
  const groups = { model: { n: 0, sum: 0 }, random: { n: 0, sum: 0 } };
  let provenAt: number | null = null;
  const predicted: number[] = [];
  const truth: number[] = [];

  const close = (until: number): void => {
    if (sums.n === 0) return;
    const [chosen, uniform, oracle] = [sums.chosen / sums.n, sums.uniform / sums.n, sums.oracle / sums.n];
    const share = (value: number): number => (value - uniform) / (oracle - uniform);
    const block = { until, chosen, uniform, oracle, gapClosed: share(chosen), greedyGapClosed: share(sums.greedy / sums.n) };
    blocks.push(block);
    onBlock?.(block);
    sums = { n: 0, chosen: 0, greedy: 0, uniform: 0, oracle: 0 };
  };

  /** Two proportions, normal approximation. */
  const lift = () => {
    const { model, random } = groups;
    const [p, q] = [model.sum / model.n, random.sum / random.n];
    const half = 1.96 * Math.sqrt((p * (1 - p)) / model.n + (q * (1 - q)) / random.n);
    return { difference: p - q, low: p - q - half, high: p - q + half };
  };

  return {
    passedOver() {
      passedOver++;
    },
    decided(n: number, verdict: Verdict, ids: readonly string[], chances: Float64Array) {
      moments++;
      eligibleSum += ids.length;
      ids.forEach((id, i) => {
        const mean = means.get(id) ?? { n: 0, sum: 0 };
        mean.n++;
        mean.sum += chances[i]!;
        means.set(id, mean);
      });
      if (n >= decisions - size) lastBlock.push({ ids, chances });
      if (verdict.group === 'model') {
        const uniform = chances.reduce((sum, chance) => sum + chance, 0) / chances.length;
        const taken = verdict.chosen[0];
        const chosen = taken === undefined ? 0 : chances[ids.indexOf(taken.actionId)]!;
        if (taken !== undefined && n >= decisions / 2) {
          predicted.push(taken.propensity);
          truth.push(chosen);
        }
        sums.n++;
        sums.chosen += chosen;
        sums.greedy += chances[bestOf(verdict)]!;
        sums.uniform += uniform;
        sums.oracle += Math.max(...chances);
        acceptance += uniform;
      }
      if ((n + 1) % size === 0 || n + 1 === decisions) close(n + 1);
    },
    answered(n: number, group: string, accepted: boolean) {
      if (group !== 'model' && group !== 'random') return;
      groups[group].n++;
      groups[group].sum += accepted ? 1 : 0;
      if (groups.random.n < 30 || n % 100 !== 0) return;
      if (lift().low <= 0) provenAt = null;
      else provenAt ??= n + 1;
    },
    result(): RunResult {
      const order = new Map([...means].map(([id, { n, sum }]) => [id, sum / n]));
      let fixed = 0;
      let uniform = 0;
      let oracle = 0;
      for (const { ids, chances } of lastBlock) {
        let best = 0;
        ids.forEach((id, i) => {
          if (order.get(id)! > order.get(ids[best]!)!) best = i;
        });
        fixed += chances[best]!;
        uniform += chances.reduce((sum, chance) => sum + chance, 0) / chances.length;
        oracle += Math.max(...chances);
      }
      return {
        blocks,
        contextFreeGapClosed: (fixed - uniform) / (oracle - uniform),
        meanEligible: eligibleSum / moments,
        passedOver: passedOver / (passedOver + moments),
        meanAcceptance: acceptance / moments,
        calibrationError: calibrationErrorOf(predicted, truth).error,
        liftProvenAt: provenAt,
        lift: lift(),
      };
    },
  };
};

const cached = (make: (subject: { kind: string; id: string }) => CustomerKey): ((customerId: string) => CustomerKey) => {
  const known = new Map<string, CustomerKey>();
  return (id) => {
    let key = known.get(id);
    if (key === undefined) known.set(id, (key = make({ kind: 'customer', id })));
    return key;
  };
};
