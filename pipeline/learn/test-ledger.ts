/** A learner for tests that keeps a ledger instead of statistics, and the rewards to teach it. */
import { TOPICS, customerKeyToBytes, decisionIdToBytes, rewardCodec, shardOf } from '#contracts';
import type { Experience, Reward } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { Learner } from '#models';
import { START_MS, customerKey, decisionId } from '../test-world.ts';

/** Keeps, for each row, the target that it holds and how often it was shown: enough to see anything doubled or lost. */
export interface Ledger {
  readonly loop: string;
  /** Default 'ledger'. */
  readonly version?: string;
  snapshot: number;
  rows: Record<string, { shown: number; target: number | null }>;
}

export const ledgerLearner = (ledger: Ledger): Learner => {
  const nameOf = ({ decisionId: id, rank }: Experience): string => `${id}/${rank}`;
  const { loop, version = 'ledger' } = ledger;
  const learner: Learner = {
    loop,
    version,
    versionBlob: Buffer.from(version),
    get experiences() {
      return Object.keys(ledger.rows).length;
    },
    get effectiveN() {
      return Object.keys(ledger.rows).length;
    },
    learnShown(experience, target) {
      const row = (ledger.rows[nameOf(experience)] ??= { shown: 0, target: null });
      row.shown++;
      row.target = target;
    },
    correct(experience, oldTarget, newTarget) {
      const row = ledger.rows[nameOf(experience)]!;
      if (row.target !== oldTarget) throw new Error(`corrected from ${oldTarget}, but it held ${row.target}`);
      row.target = newTarget;
    },
    publish(after = 0) {
      ledger.snapshot = Math.max(ledger.snapshot, after) + 1;
      return {
        version,
        snapshot: ledger.snapshot,
        versionBlob: Buffer.from(version),
        snapshotBlob: Buffer.from(JSON.stringify(ledger)),
        experiences: learner.experiences,
      };
    },
    checkpoint: () => Buffer.from(JSON.stringify(ledger)),
  };
  return learner;
};

export const aReward = (
  customer: string,
  number: number,
  revision: number,
  target: number | null,
  loop = '',
  decidedAt = START_MS,
  matured = false,
): AppendRecord => {
  const reward: Reward = {
    decisionId: decisionIdToBytes(decisionId(customer, number, decidedAt)),
    customerKey: customerKeyToBytes(customerKey(customer)),
    rank: 1,
    actionId: 'offer-fiber',
    loop,
    kind: matured ? 'matured' : 'outcome',
    target,
    reward: target ?? 0,
    outcome: 'impression',
    amount: null,
    decidedAt,
    occurredAt: START_MS,
    matured,
    revision,
    sourceTopic: TOPICS.outcomes,
    sourcePartition: 0,
    sourceOffset: 0,
    sourceIndex: 0,
  };
  return { topic: TOPICS.rewards, shard: shardOf(customer), value: rewardCodec.encode(reward) };
};
