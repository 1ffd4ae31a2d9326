-- Facts, one row a record of the event log. Identities are sorting keys of ReplacingMergeTree: a row written twice counts once under FINAL,
-- which every view uses. Partitions are months of recorded_at: an insert never crosses one (the record role sees to it), so a block is
-- one part, in whole or not at all. On a cluster: add ON CLUSTER and Replicated to the engines; nothing else changes.

CREATE TABLE IF NOT EXISTS events (
  event_id String COMMENT 'CloudEvents id; with source and customer it identifies the event',
  source LowCardinality(String) COMMENT 'CloudEvents source',
  type LowCardinality(String) COMMENT 'name of the event, as events.yaml has it',
  customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex; the only id of a customer here',
  occurred_at DateTime64(3, 'UTC') COMMENT 'when it happened' CODEC(Delta, ZSTD),
  received_at DateTime64(3, 'UTC') COMMENT 'when it was accepted' CODEC(Delta, ZSTD),
  data String COMMENT 'payload as JSON text, without personal fields: JSONExtractFloat(data, ''amount'')' CODEC(ZSTD),
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD),
  INDEX by_time occurred_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (type, customer_key, source, event_id)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'Customer interactions and business events';

CREATE TABLE IF NOT EXISTS decisions (
  decision_id UUID COMMENT 'the decision; time-ordered (UUID version 7 layout)',
  customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  anonymous Bool COMMENT 'the subject is an anonymous id, or only the decision itself',
  decided_at DateTime64(3, 'UTC') COMMENT 'when it was decided' CODEC(Delta, ZSTD),
  channel LowCardinality(String) COMMENT 'where the customer was met',
  direction LowCardinality(String) COMMENT 'inbound (the customer began) or outbound',
  placement LowCardinality(String) COMMENT 'place on the channel, empty when none was named',
  slots UInt8 COMMENT 'number of actions asked for',
  loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop, else the caller''s',
  context Map(LowCardinality(String), String) COMMENT 'what the touchpoint said of the moment, without personal fields',
  allow_none Bool COMMENT 'whether doing nothing took part',
  seed UInt64 COMMENT 'of every random draw in this decision',
  group_name LowCardinality(String) COMMENT 'model, random or untouched, by hash of customer and month',
  catalog_version LowCardinality(String) COMMENT 'hash of the decisioning project',
  controls_version UInt64 COMMENT 'version of the operators'' controls in force',
  model_version LowCardinality(String) COMMENT 'model that scored; priors when none did',
  model_snapshot UInt64 COMMENT 'snapshot of the model''s posterior',
  degraded Array(LowCardinality(String)) COMMENT 'what was missing; empty when all was well',
  customer_known Bool COMMENT 'a state of the customer was found',
  attributes Map(LowCardinality(String), String) COMMENT 'the customer''s attributes as read, without personal ones',
  feature_set LowCardinality(String) COMMENT 'fingerprint of the feature definitions; names stand in feature_sets',
  features Array(Float32) COMMENT 'feature values as served, in the order of the feature set' CODEC(ZSTD),
  `candidates.action_id` Array(LowCardinality(String)) COMMENT 'every candidate, in catalog order; none comes last where it took part',
  `candidates.stage` Array(UInt8) COMMENT 'code of the stage that the candidate reached; names stand in stages',
  `candidates.scored` Array(Bool) COMMENT 'whether the model scored it; else the four values below are 0',
  `candidates.propensity` Array(Float32) COMMENT 'P(accepted | shown) as the arbiter saw it',
  `candidates.priority` Array(Float32) COMMENT 'propensity x context weight x value x levers',
  `candidates.gamma` Array(Float32) COMMENT 'exploration parameter',
  `candidates.probability` Array(Float32) COMMENT 'P(chosen in slot 1), the logging probability',
  `chosen.rank` Array(UInt8) COMMENT 'slot of each chosen action, from 1; empty when none was chosen',
  `chosen.action_id` Array(LowCardinality(String)) COMMENT 'the chosen actions',
  `chosen.treatment_id` Array(LowCardinality(String)) COMMENT 'their forms on the channel',
  `chosen.propensity` Array(Float32) COMMENT 'P(accepted | shown) of the chosen',
  `chosen.probability` Array(Float32) COMMENT 'P(chosen in this slot | the slots above)',
  `chosen.value` Array(Float32) COMMENT 'worth if accepted',
  `chosen.priority` Array(Float32) COMMENT 'priority of the chosen',
  none_probability Nullable(Float32) COMMENT 'P(doing nothing in slot 1); null where it took no part',
  latency_us UInt32 COMMENT 'from the request''s arrival to the choice, microseconds',
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD),
  INDEX by_time decided_at TYPE minmax GRANULARITY 1,
  INDEX by_customer customer_key TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'Decisions, one row each, with every candidate';

CREATE TABLE IF NOT EXISTS outcomes (
  outcome_id String COMMENT 'the client''s id, else one made of the content',
  decision_id UUID COMMENT 'the decision',
  action_id LowCardinality(String) COMMENT 'one of its actions',
  outcome LowCardinality(String) COMMENT 'impression, clicked, accepted, rejected, later, converted, complaint, optOut, undelivered, or the catalog''s own',
  amount Nullable(Float64) COMMENT 'money of the outcome',
  reward Nullable(Float64) COMMENT 'worth that the caller set directly',
  reason_code LowCardinality(String) COMMENT 'why, in the operator''s codes; empty when not given',
  occurred_at DateTime64(3, 'UTC') COMMENT 'when it happened' CODEC(Delta, ZSTD),
  received_at DateTime64(3, 'UTC') COMMENT 'when it was accepted' CODEC(Delta, ZSTD),
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD),
  INDEX by_time occurred_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id, outcome_id)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'What customers did with the actions of decisions';

CREATE TABLE IF NOT EXISTS rewards (
  decision_id UUID COMMENT 'the decision',
  rank UInt8 COMMENT 'slot of the action in the decision, from 1',
  customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  action_id LowCardinality(String) COMMENT 'the action',
  loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop, else the caller''s',
  kind LowCardinality(String) COMMENT 'what made it: provisional (shown), outcome, matured (time-out), recognised (an event without decision id)',
  target Nullable(Float64) COMMENT 'what the model learned from; null teaches nothing',
  reward Float64 COMMENT 'graded worth in money less cost, without levers',
  outcome LowCardinality(String) COMMENT 'the latest outcome, or none',
  amount Nullable(Float64) COMMENT 'money of the outcome',
  decided_at DateTime64(3, 'UTC') COMMENT 'when it was decided' CODEC(Delta, ZSTD),
  occurred_at DateTime64(3, 'UTC') COMMENT 'when what made this record happened' CODEC(Delta, ZSTD),
  matured Bool COMMENT 'the attribution window has closed',
  revision UInt32 COMMENT 'the highest of a decision and rank is the one that holds',
  source_topic LowCardinality(String) COMMENT 'topic of the input that made it',
  source_partition UInt16 COMMENT 'partition of that input',
  source_offset UInt64 COMMENT 'offset of that input',
  source_index UInt16 COMMENT 'place among the outputs of that input',
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD),
  INDEX by_time decided_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id, rank)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'Worth of each shown action; under FINAL the latest revision';

CREATE TABLE IF NOT EXISTS communications (
  communication_id UUID COMMENT 'the message',
  decision_id Nullable(UUID) COMMENT 'the decision that asked for it',
  customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  channel LowCardinality(String) COMMENT 'sms, email, ...',
  treatment_id LowCardinality(String) COMMENT 'what was sent',
  state LowCardinality(String) COMMENT 'queued, sent, delivered, failed, bounced, expired, denied or deferred',
  reason_code LowCardinality(String) COMMENT 'why; empty when there is nothing to say',
  at DateTime64(3, 'UTC') COMMENT 'when the message took this step' CODEC(Delta, ZSTD),
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD)
) ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (communication_id, state, at)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'Steps of messages on their way to customers';

CREATE TABLE IF NOT EXISTS dead_letters (
  source_topic LowCardinality(String) COMMENT 'topic that the record came from',
  source_partition UInt16 COMMENT 'its partition',
  source_offset UInt64 COMMENT 'its offset',
  reason LowCardinality(String) COMMENT 'a stable code',
  message String COMMENT 'for a person',
  payload_bytes UInt32 COMMENT 'size of the record; the record itself, which may hold personal data, stays in the event log',
  at DateTime64(3, 'UTC') COMMENT 'when it was refused' CODEC(Delta, ZSTD),
  log_epoch UInt32 COMMENT 'life of the event log that the position belongs to',
  log_partition UInt16 COMMENT 'partition of the event log',
  log_offset UInt64 COMMENT 'offset in that partition; epoch, partition and offset are the record''s position',
  recorded_at DateTime64(3, 'UTC') COMMENT 'when the event log took the record' CODEC(Delta, ZSTD)
) ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (log_epoch, source_topic, source_partition, source_offset, reason)
TTL toDateTime(recorded_at) + INTERVAL 10 YEAR
COMMENT 'Records that could not be taken';

CREATE TABLE IF NOT EXISTS feature_sets (
  fingerprint String COMMENT 'of the feature definitions, hex',
  names Array(String) COMMENT 'names of the values in decisions.features, in order'
) ENGINE = ReplacingMergeTree
ORDER BY fingerprint
COMMENT 'Names of feature values: mapFromArrays(names, features)';

CREATE TABLE IF NOT EXISTS stages (
  code UInt8 COMMENT 'as in decisions.candidates.stage',
  name String COMMENT 'of the stage'
) ENGINE = ReplacingMergeTree
ORDER BY code
COMMENT 'Names of the stages that candidates reach';
