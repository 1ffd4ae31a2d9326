/** Decisions of the telco catalog with their rewards, as serving and the state role would have logged them: provisional 0 first, corrected later. */
import { setTimeout as delay } from 'node:timers/promises';
import { TOPICS, customerKeyToBytes, decisionIdToBytes, rewardCodec, shardOf } from '#contracts';
import type { Reward } from '#contracts';
import type { AppendRecord, EventLog } from '#event-log';
import { loadProject } from '#project';
import { aDecision, customerKey, decisionId } from '../../pipeline/test-world.ts';

const project = loadProject(new URL('../../catalog/telco', import.meta.url).pathname);
const ACTIONS = ['upgrade-standard', 'upgrade-unlimited', 'family-plan'];
const PAGES = ['home', 'plans', 'bill', 'support'];

export interface Life {
  /** Decisions logged so far; each has one experience. */
  readonly decisions: number;
  /** Resolves when what was under way is logged. */
  stop(): Promise<void>;
}

/** Every tenth of a second `perTick` decisions; every third of them is accepted a second later. */
export const live = (log: EventLog, perTick: number): Life => {
  let decisions = 0;
  const stopping = new AbortController();
  const later: AppendRecord[][] = [];
  const run = async (): Promise<void> => {
    for (; !stopping.signal.aborted; await delay(100)) {
      const records: AppendRecord[] = [];
      const accepted: AppendRecord[] = [];
      for (let i = 0; i < perTick; i++) {
        const number = decisions + i;
        const atMs = Date.now();
        records.push(decisionOf(number, atMs), rewardOf(number, 1, 0, atMs));
        if (number % 3 === 0) accepted.push(rewardOf(number, 2, 1, atMs));
      }
      later.push(accepted);
      if (later.length > 10) records.push(...later.shift()!);
      await log.append(records);
      decisions += perTick;
    }
    await log.append(later.flat());
  };
  const running = run();
  return {
    get decisions() {
      return decisions;
    },
    stop() {
      stopping.abort();
      return running;
    },
  };
};

const decisionOf = (number: number, decidedAt: number): AppendRecord =>
  aDecision(customerOf(number), 1, actionOf(number), {
    decidedAt,
    catalogVersion: project.version,
    context: JSON.stringify({ page: PAGES[number % PAGES.length], device: number % 2 === 0 ? 'ios' : 'android' }),
  });

const rewardOf = (number: number, revision: number, target: number, decidedAt: number): AppendRecord => {
  const customer = customerOf(number);
  const reward: Reward = {
    decisionId: decisionIdToBytes(decisionId(customer, 1, decidedAt)),
    customerKey: customerKeyToBytes(customerKey(customer)),
    rank: 1,
    actionId: actionOf(number),
    loop: '',
    kind: 'outcome',
    target,
    reward: target,
    outcome: target === 1 ? 'accepted' : 'impression',
    amount: null,
    decidedAt,
    occurredAt: decidedAt,
    matured: false,
    revision,
    sourceTopic: TOPICS.outcomes,
    sourcePartition: 0,
    sourceOffset: 0,
    sourceIndex: 0,
  };
  return { topic: TOPICS.rewards, shard: shardOf(customer), value: rewardCodec.encode(reward) };
};

const customerOf = (number: number): string => `learner-${number}`;
const actionOf = (number: number): string => ACTIONS[number % ACTIONS.length]!;
