/** One customer's part of a batch: the state in hand, and what its records make. */
import type { Communication, CustomerKey, Decision, DecisionId, Reward } from '#contracts';
import type { LogRecord } from '#event-log';
import type { CustomerState, PendingDecision, PendingItem } from '#feature-store';
import { channelRule } from '../rewards/rewards.ts';
import type { StateFacts } from './context.ts';
import { NO_OUTREACH } from './outreach-desk.ts';
import type { OutreachDesk, OutreachRules, Reservation } from './outreach-desk.ts';

export interface CustomerWork {
  readonly key: CustomerKey;
  readonly facts: StateFacts;
  readonly state: CustomerState;
  /** Links to write (true) or to remove (false). */
  readonly links: Map<DecisionId, boolean>;
  readonly rewards: Reward[];
  readonly shard: number;
  /** When the batch is folded, ms since 1970 UTC. */
  readonly nowMs: number;
  readonly rules: OutreachRules;
  /** Null: a rebuild. */
  readonly desk: OutreachDesk | null;
  /** Names of reservations that were asked for and refused. */
  readonly refused: ReadonlySet<string>;
  /** Outbound ones that this customer's records caused. */
  readonly decisions: Decision[];
  readonly communications: Communication[];
  /** What the verdicts above stand on; had before anything is committed. */
  readonly reservations: HeldReservation[];
  /** The customer's timer may have to move. */
  timerMoves: boolean;
  /** Wanted outreach that came to nothing: no room, no channel, too late. */
  outreachDropped: number;
}

export interface OpenWork extends Pick<CustomerWork, 'key' | 'facts' | 'state'> {
  readonly shard?: number;
  readonly nowMs?: number;
  readonly desk?: OutreachDesk | null;
  readonly refused?: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Without a desk nobody is reached out to. */
export const openWork = ({ key, facts, state, shard = 0, nowMs = 0, desk = null, refused = NONE }: OpenWork): CustomerWork => ({
  key,
  facts,
  state,
  shard,
  nowMs,
  rules: facts.outreach ?? NO_OUTREACH,
  desk,
  refused,
  links: new Map(),
  rewards: [],
  decisions: [],
  communications: [],
  reservations: [],
  timerMoves: false,
  outreachDropped: 0,
});

export interface HeldReservation extends Reservation {
  readonly holder: DecisionId;
}

/** The record that causes an output, and how many it has caused. */
export interface Source {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  index: number;
}

export const sourceOf = ({ topic, partition, offset }: Pick<LogRecord, 'topic' | 'partition' | 'offset'>): Source => ({
  topic,
  partition,
  offset,
  index: 0,
});

export interface Cause {
  readonly kind: Reward['kind'];
  readonly occurredAtMs: number;
  readonly source: Source;
}

/** Absolute: it says all that the slot has come to, not what changed. */
export const emitReward = (
  work: CustomerWork,
  decision: PendingDecision,
  item: PendingItem,
  { kind, occurredAtMs, source }: Cause,
): void => {
  item.revision++;
  work.rewards.push({
    decisionId: Buffer.from(decision.decisionId.replaceAll('-', ''), 'hex'),
    customerKey: Buffer.from(work.key, 'hex'),
    rank: item.rank,
    actionId: item.actionId,
    loop: decision.loop,
    kind,
    target: item.target,
    reward: rewardOf(work.facts, decision, item),
    outcome: item.outcome ?? 'none',
    amount: item.amount,
    decidedAt: decision.decidedAtMs,
    occurredAt: occurredAtMs,
    matured: kind === 'matured',
    revision: item.revision,
    sourceTopic: source.topic,
    sourcePartition: source.partition,
    sourceOffset: source.offset,
    sourceIndex: source.index++,
  });
};

/** The caller knows the cost of its own candidates; ours is the channel's, once the customer has seen the action. */
const rewardOf = ({ rewards }: StateFacts, decision: PendingDecision, item: PendingItem): number =>
  (item.reward ?? 0) - (item.shown && decision.loop === '' ? channelRule(rewards, decision.channel).cost : 0);

/** The decision's window closes: each slot gets its last word, and the way from decision to customer is forgotten. */
export const matureDecision = (work: CustomerWork, decision: PendingDecision, source: Source, atMs: number): void => {
  for (const item of decision.items) emitReward(work, decision, item, { kind: 'matured', occurredAtMs: atMs, source });
  work.links.set(decision.decisionId, false);
};
