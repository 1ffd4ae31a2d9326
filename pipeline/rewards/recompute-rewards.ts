/** Says what logged decisions are worth under today's rewards.yaml, from the outcomes in the log: a changed definition loses nothing that was learned. */
import { STATE_INPUTS, TOPICS, customerKeyFromBytes, rewardCodec, type CustomerKey, type DecisionId, type Reward } from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import { emptyState, type CustomerState } from '#feature-store';
import { readErasures } from '../rebuild/read-erasures.ts';
import { applyInput } from '../state/apply-input.ts';
import type { StateFacts } from '../state/context.ts';
import { matureDecision, openWork, sourceOf, type CustomerWork } from '../state/customer-work.ts';
import { decodeStep } from '../state/decode-step.ts';
import type { OutcomeInput, StateInput } from '../state/input.ts';

export interface RecomputeDeps {
  readonly log: EventLog;
  readonly facts: StateFacts;
  readonly nowMs: number;
  /** False: only counts. */
  readonly apply: boolean;
  readonly onPartition?: (partition: number, found: Recomputed) => void;
}

export interface Recomputed {
  /** Slots whose final reward is in the log together with their decision. */
  readonly judged: number;
  /** Of them, those that are worth something else today. */
  readonly changed: number;
  /** Final rewards whose decision the log no longer holds: they stay as they are. */
  readonly outOfReach: number;
}

/**
 * Every record is folded as the state role folds it (applyInput), in the order in which it came, in memory. Only final rewards are compared: what is
 * open the state role itself goes on with. A slot that differs gets one more revision of its final reward, whole and absolute as all are: learners
 * correct what they hold, exactly where the link is `rate`; the warehouse takes the newest. Applied twice it changes nothing the second time.
 *
 * Memory: the customers of one partition who had a decision. Reach: the log's retention.
 */
export const recomputeRewards = async (deps: RecomputeDeps): Promise<Recomputed> => {
  const { log } = deps;
  const erasures = await readErasures(log);
  const erasedAt = (key: CustomerKey): number => erasures.get(key)?.erasedAt ?? -1;
  let total: Recomputed = { judged: 0, changed: 0, outOfReach: 0 };
  for (let partition = 0; partition < log.partitions; partition++) {
    const logged = await finalRewards(log, partition);
    const today = await foldPartition(deps, partition, erasedAt);
    const revised: Reward[] = [];
    let judged = 0;
    let outOfReach = 0;
    for (const [slot, before] of logged) {
      const after = today.get(slot);
      if (erasedAt(customerKeyFromBytes(before.reward.customerKey)) >= before.reward.decidedAt) continue;
      if (after === undefined) {
        outOfReach++;
        continue;
      }
      judged++;
      if (isSame(before.reward, after)) continue;
      revised.push({
        ...after,
        revision: before.reward.revision + 1,
        sourceTopic: TOPICS.rewards,
        sourcePartition: partition,
        sourceOffset: before.offset,
        sourceIndex: 0,
      });
    }
    if (deps.apply) await appendAll(log, revised);
    const found = { judged, changed: revised.length, outOfReach };
    deps.onPartition?.(partition, found);
    total = {
      judged: total.judged + judged,
      changed: total.changed + revised.length,
      outOfReach: total.outOfReach + outOfReach,
    };
  }
  return total;
};

const PAGE = 4_000;
const BATCH = 1_000;

const isSame = (a: Reward, b: Reward): boolean =>
  a.target === b.target && a.reward === b.reward && a.outcome === b.outcome && a.amount === b.amount;

const appendAll = async (log: Pick<EventLog, 'append'>, rewards: readonly Reward[]): Promise<void> => {
  for (let from = 0; from < rewards.length; from += BATCH)
    await log.append(
      rewards.slice(from, from + BATCH).map((reward): AppendRecord => ({
        topic: TOPICS.rewards,
        shard: reward.decisionId.readUInt16BE(14),
        value: rewardCodec.encode(reward),
      })),
    );
};

const slotOf = ({ decisionId, rank }: Pick<Reward, 'decisionId' | 'rank'>): string => `${decisionId.toString('hex')}/${rank}`;

interface Logged {
  readonly reward: Reward;
  readonly offset: number;
}

/** The newest revision of each slot whose window has closed. */
const finalRewards = async (log: EventLog, partition: number): Promise<Map<string, Logged>> => {
  const newest = new Map<string, Logged>();
  const { first, next } = await log.offsets(TOPICS.rewards, partition);
  for (let at = first; at < next;) {
    const records = await log.read(TOPICS.rewards, partition, at, PAGE);
    if (records.length === 0) break;
    for (const { value, offset } of records) {
      const reward = rewardCodec.decode(value);
      const before = newest.get(slotOf(reward));
      if (before === undefined || before.reward.revision < reward.revision) newest.set(slotOf(reward), { reward, offset });
    }
    at = records.at(-1)!.offset + 1;
  }
  for (const [slot, { reward }] of newest) if (!reward.matured) newest.delete(slot);
  return newest;
};

/** What each slot has come to in the end, by slot. */
const foldPartition = async (
  { log, facts, nowMs }: RecomputeDeps,
  partition: number,
  erasedAt: (key: CustomerKey) => number,
): Promise<Map<string, Reward>> => {
  const states = new Map<CustomerKey, CustomerState>();
  const owners = new Map<DecisionId, CustomerKey>();
  const early = new Map<DecisionId, OutcomeInput[]>();
  const final = new Map<string, Reward>();
  const workOf = (key: CustomerKey): CustomerWork => {
    let state = states.get(key);
    if (state === undefined) states.set(key, (state = emptyState(facts.featureSet)));
    return openWork({ key, facts, state });
  };
  const take = ({ rewards }: CustomerWork): void => {
    for (const reward of rewards) if (reward.matured) final.set(slotOf(reward), reward);
  };
  const apply = (key: CustomerKey, input: StateInput): void => {
    if (erasedAt(key) >= input.record.timestampMs) return;
    const work = workOf(key);
    try {
      applyInput(work, input);
    } catch {
      // What state could not use then it cannot use now: its dead letter tells of it.
      return;
    }
    take(work);
  };
  for await (const input of inputsOf(log, partition)) {
    switch (input.kind) {
      case 'decision':
        owners.set(input.decisionId, input.key);
        apply(input.key, input);
        for (const outcome of early.get(input.decisionId) ?? []) apply(input.key, outcome);
        early.delete(input.decisionId);
        break;
      case 'outcome': {
        const owner = owners.get(input.decisionId);
        if (owner !== undefined) apply(owner, input);
        else early.set(input.decisionId, [...(early.get(input.decisionId) ?? []), input]);
        break;
      }
      case 'event':
        // Features are of no interest here; only what an event says of a decision.
        if (facts.rewards.recognise.has(input.event.type) && states.has(input.key)) apply(input.key, input);
        break;
      case 'timer':
        if (states.has(input.key)) apply(input.key, input);
        break;
      case 'turn':
      case 'communication':
        if (states.has(input.key)) apply(input.key, input);
    }
  }
  // What is due although no timer has said so: windows that are shorter today, and the log's own last moments.
  for (const key of states.keys()) {
    const work = workOf(key);
    for (const decision of work.state.pending.filter(({ matureAtMs }) => matureAtMs <= nowMs))
      matureDecision(work, decision, sourceOf({ topic: TOPICS.decisions, partition, offset: 0 }), decision.matureAtMs);
    take(work);
  }
  return final;
};

/** The partition's records in the order in which the log took them. */
async function* inputsOf(log: EventLog, partition: number): AsyncIterable<StateInput> {
  const queues = await Promise.all(
    STATE_INPUTS.map(async (topic) => {
      const { first, next } = await log.offsets(topic, partition);
      return { topic, at: first, next, page: await log.read(topic, partition, first, PAGE), taken: 0 };
    }),
  );
  for (;;) {
    let oldest: (typeof queues)[number] | null = null;
    for (const queue of queues) {
      if (queue.taken === queue.page.length && queue.page.length > 0) {
        queue.at = queue.page.at(-1)!.offset + 1;
        queue.page = queue.at < queue.next ? await log.read(queue.topic, partition, queue.at, PAGE) : [];
        queue.taken = 0;
      }
      const record = queue.page[queue.taken];
      if (record === undefined) continue;
      if (oldest === null || record.timestampMs < oldest.page[oldest.taken]!.timestampMs) oldest = queue;
    }
    if (oldest === null) return;
    const decoded = decodeStep(oldest.page[oldest.taken++]!);
    if (decoded.kind === 'ok') yield decoded.value;
  }
}
