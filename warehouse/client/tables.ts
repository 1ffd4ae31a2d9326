/** The tables that the record role fills: their columns in order, and how a row is written. */
import type { Communication, DeadLetter, Decision, EventRecord, Outcome, PairCounters, Reward, Topic, TypedEntries } from '#contracts';
import { TOPICS } from '#contracts';
import type { EncodedStrings, RowWriter } from './row-binary.ts';

/** Where a record stands in the log. */
export interface RowPosition {
  readonly epoch: number;
  readonly partition: number;
  readonly offset: number;
  /** When the log took it, ms since 1970 UTC. */
  readonly timestampMs: number;
}

/** A decision without what is personal, and with the names that its receipt leaves to the catalog. */
export interface DecisionRow {
  readonly decision: Decision;
  /** Non-personal context, flat. */
  readonly context: TypedEntries;
  /** Non-personal attributes as read. */
  readonly attributes: TypedEntries;
  /** The caller's own candidates as JSON text without personal fields, else empty. */
  readonly ownCandidates: string;
  /** Of the scored candidates that the customer had met before. */
  readonly pairs: readonly (readonly [string, PairCounters])[];
  /** Whether all of this is what the encoder read: false where the state's definitions are unknown here. */
  readonly asServed: boolean;
  /** Candidates in the order of `decision.stages`; with `none` at the end where it took part. */
  readonly actionIds: EncodedStrings;
  /** Stage code of `none`. */
  readonly noneStage: number;
  /** Id of what was chosen and withheld; empty: nothing. */
  readonly heldOut: string;
}

export interface EventRow {
  readonly event: EventRecord;
  /** Payload as JSON text without personal fields. */
  readonly data: string;
}

export interface RowTypes {
  readonly events: EventRow;
  readonly decisions: DecisionRow;
  readonly outcomes: Outcome;
  readonly rewards: Reward;
  readonly communications: Communication;
  readonly dead_letters: DeadLetter;
}

export type TableName = keyof RowTypes;

export interface Table<N extends TableName> {
  readonly name: N;
  readonly topic: Topic;
  readonly columns: readonly string[];
  /** Appends one row of RowBinary. */
  write(to: RowWriter, row: RowTypes[N], at: RowPosition): void;
}

const POSITION = ['log_epoch', 'log_partition', 'log_offset', 'recorded_at'];

const position = (to: RowWriter, at: RowPosition): void => {
  to.u32(at.epoch);
  to.u16(at.partition);
  to.u64(at.offset);
  to.dateTimeMs(at.timestampMs);
};

const table = <N extends TableName>(
  name: N,
  topic: Topic,
  columns: readonly string[],
  write: (to: RowWriter, row: RowTypes[N]) => void,
): Table<N> => ({
  name,
  topic,
  columns: [...columns, ...POSITION],
  write(to, row, at) {
    write(to, row);
    position(to, at);
  },
});

/** One for each candidate, or none at all. */
const ofScored = (to: RowWriter, { actionIds, decision }: DecisionRow, values: readonly number[] = []): void => {
  if (values.length === 0) to.count(0);
  else to.floatsAt(actionIds.count, decision.scored, values);
};

export const TABLES: { readonly [N in TableName]: Table<N> } = {
  events: table(
    'events',
    TOPICS.events,
    ['event_id', 'source', 'type', 'customer_key', 'occurred_at', 'received_at', 'data'],
    (to, { event, data }) => {
      to.string(event.id);
      to.string(event.source);
      to.string(event.type);
      to.hexKey(event.customerKey);
      to.dateTimeMs(event.time);
      to.dateTimeMs(event.receivedAt);
      to.string(data);
    },
  ),
  decisions: table(
    'decisions',
    TOPICS.decisions,
    [
      'decision_id',
      'customer_key',
      'anonymous',
      'decided_at',
      'channel',
      'direction',
      'placement',
      'slots',
      'loop',
      'context',
      'allow_none',
      'seed',
      'group_name',
      'catalog_version',
      'controls_version',
      'model_version',
      'model_snapshot',
      'degraded',
      'customer_known',
      'attributes',
      'feature_set',
      'features',
      'candidates.action_id',
      'candidates.stage',
      'candidates.scored',
      'candidates.propensity',
      'candidates.priority',
      'candidates.gamma',
      'candidates.probability',
      'chosen.rank',
      'chosen.action_id',
      'chosen.treatment_id',
      'chosen.propensity',
      'chosen.probability',
      'chosen.value',
      'chosen.priority',
      'none_probability',
      'latency_us',
      'context_types',
      'attribute_types',
      'own_candidates',
      'pairs.action_id',
      'pairs.shown',
      'pairs.accepted',
      'pairs.rejected',
      'pairs.last_shown_at',
      'pairs.last_rejected_at',
      'as_served',
      'cause',
      'root_id',
      'scope',
      'holdouts',
      'held_out',
      'contact_costs',
    ],
    (to, row) => {
      const d = row.decision;
      to.uuid(d.decisionId);
      to.hexKey(d.customerKey);
      to.bool(d.anonymous);
      to.dateTimeMs(d.decidedAt);
      to.string(d.channel);
      to.string(d.direction);
      to.string(d.placement ?? '');
      to.u8(Math.min(d.limit, 255));
      to.string(d.loop);
      to.map(row.context.entries);
      to.bool(d.allowNone);
      to.u64(d.seed);
      to.string(d.group);
      to.string(d.catalogVersion);
      to.u64(d.controlsVersion);
      to.string(d.modelVersion);
      to.u64(d.modelSnapshot);
      to.strings(d.degraded);
      to.bool(d.customerKnown);
      to.map(row.attributes.entries);
      to.string(d.featureSet);
      to.floats(d.features);
      candidates(to, row);
      to.bytes(d.chosen.map((one) => one.rank));
      to.strings(d.chosen.map((one) => one.actionId));
      to.strings(d.chosen.map((one) => one.treatmentId));
      to.floats(d.chosen.map((one) => one.propensity));
      to.floats(d.chosen.map((one) => one.probability));
      to.floats(d.chosen.map((one) => one.value));
      to.floats(d.chosen.map((one) => one.priority));
      to.bool(d.noneProbability === null);
      if (d.noneProbability !== null) to.f32(d.noneProbability);
      to.u32(Math.max(0, Math.round(d.latencyUs)));
      to.string(row.context.types);
      to.string(row.attributes.types);
      to.string(row.ownCandidates);
      pairs(to, row.pairs);
      to.bool(row.asServed);
      to.string(d.cause ?? '');
      to.bool((d.rootId ?? null) === null);
      if (d.rootId !== undefined && d.rootId !== null) to.uuid(d.rootId);
      to.string(d.scope ?? '');
      ofScored(to, row, d.holdouts);
      to.string(row.heldOut);
      ofScored(to, row, d.contactCosts);
    },
  ),
  outcomes: table(
    'outcomes',
    TOPICS.outcomes,
    ['outcome_id', 'decision_id', 'action_id', 'outcome', 'amount', 'reward', 'reason_code', 'occurred_at', 'received_at'],
    (to, outcome) => {
      to.string(outcome.outcomeId);
      to.uuid(outcome.decisionId);
      to.string(outcome.actionId);
      to.string(outcome.outcome);
      to.f64OrNull(outcome.amount);
      to.f64OrNull(outcome.reward);
      to.string(outcome.reasonCode ?? '');
      to.dateTimeMs(outcome.occurredAt);
      to.dateTimeMs(outcome.receivedAt);
    },
  ),
  rewards: table(
    'rewards',
    TOPICS.rewards,
    [
      'decision_id',
      'rank',
      'customer_key',
      'action_id',
      'loop',
      'kind',
      'target',
      'reward',
      'outcome',
      'amount',
      'decided_at',
      'occurred_at',
      'matured',
      'revision',
      'source_topic',
      'source_partition',
      'source_offset',
      'source_index',
    ],
    (to, reward) => {
      to.uuid(reward.decisionId);
      to.u8(reward.rank);
      to.hexKey(reward.customerKey);
      to.string(reward.actionId);
      to.string(reward.loop);
      to.string(reward.kind);
      to.f64OrNull(reward.target);
      to.f64(reward.reward);
      to.string(reward.outcome);
      to.f64OrNull(reward.amount);
      to.dateTimeMs(reward.decidedAt);
      to.dateTimeMs(reward.occurredAt);
      to.bool(reward.matured);
      to.u32(reward.revision);
      to.string(reward.sourceTopic);
      to.u16(reward.sourcePartition);
      to.u64(reward.sourceOffset);
      to.u16(reward.sourceIndex);
    },
  ),
  communications: table(
    'communications',
    TOPICS.communications,
    [
      'communication_id',
      'decision_id',
      'customer_key',
      'channel',
      'treatment_id',
      'state',
      'reason_code',
      'at',
      'action_id',
      'cause',
      'arm',
      'until',
      'expires_at',
      'language',
      'attempt',
      'provider_id',
      'doubtful',
      'inbound_contacts',
      'holdout_share',
    ],
    (to, message) => {
      to.uuid(message.communicationId);
      to.bool(message.decisionId === null);
      if (message.decisionId !== null) to.uuid(message.decisionId);
      to.hexKey(message.customerKey);
      to.string(message.channel);
      to.string(message.treatmentId);
      to.string(message.state);
      to.string(message.reasonCode ?? '');
      to.dateTimeMs(message.at);
      to.string(message.actionId);
      to.string(message.cause);
      to.string(message.arm);
      to.dateTimeMsOrNull(message.until);
      to.dateTimeMsOrNull(message.expiresAt);
      to.string(message.language ?? '');
      to.u16(Math.min(message.attempt, 0xffff));
      to.string(message.providerId ?? '');
      to.bool(message.doubtful);
      to.u16(Math.min(message.inboundContacts, 0xffff));
      to.f32(message.holdoutShare);
    },
  ),
  dead_letters: table(
    'dead_letters',
    TOPICS.deadLetters,
    ['source_topic', 'source_partition', 'source_offset', 'reason', 'message', 'payload_bytes', 'at'],
    (to, letter) => {
      to.string(letter.topic);
      to.u16(letter.partition);
      to.u64(letter.offset);
      to.string(letter.reason);
      to.string(letter.message);
      to.u32(letter.payload.length);
      to.dateTimeMs(letter.at);
    },
  ),
};

export const tableOfTopic = (topic: Topic): TableName | null =>
  (Object.keys(TABLES) as TableName[]).find((name) => TABLES[name].topic === topic) ?? null;

/** The arrays beside `candidates.action_id`, as long as it is; `none`, where it took part, is the last. */
const candidates = (to: RowWriter, { decision, actionIds, noneStage }: DecisionRow): void => {
  const { count } = actionIds;
  const { scored, stages } = decision;
  to.encoded(actionIds);
  to.bytesUpTo(count, stages, scored.includes(-1) ? noneStage : null);
  to.flagsAt(count, scored);
  to.floatsAt(count, scored, decision.propensities);
  to.floatsAt(count, scored, decision.priorities);
  to.floatsAt(count, scored, decision.gammas);
  to.floatsAt(count, scored, decision.probabilities);
};

const pairs = (to: RowWriter, met: DecisionRow['pairs']): void => {
  to.count(met.length);
  for (const [id] of met) to.string(id);
  for (const counter of ['shown', 'accepted', 'rejected'] as const) {
    to.count(met.length);
    for (const [, pair] of met) to.u32(pair[counter]);
  }
  for (const time of ['lastShownMs', 'lastRejectedMs'] as const) {
    to.count(met.length);
    for (const [, pair] of met) to.dateTimeMs(pair[time]);
  }
};
