-- The analysts' views. All read deduplicated rows (FINAL); none sums on insert.

CREATE OR REPLACE VIEW decision_candidates (
  decision_id UUID COMMENT 'the decision', customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  decided_at DateTime64(3, 'UTC') COMMENT 'when it was decided', channel LowCardinality(String) COMMENT 'where the customer was met',
  direction LowCardinality(String) COMMENT 'inbound or outbound', loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', group_name LowCardinality(String) COMMENT 'model, random or untouched',
  catalog_version LowCardinality(String) COMMENT 'hash of the decisioning project', model_version LowCardinality(String) COMMENT 'model that scored', action_id LowCardinality(String) COMMENT 'the candidate; none is doing nothing',
  stage String COMMENT 'the stage that it reached', stage_code UInt8 COMMENT 'code of that stage',
  propensity Nullable(Float32) COMMENT 'P(accepted | shown); null when it was not scored', priority Nullable(Float32) COMMENT 'as the arbiter saw it; null when it was not scored',
  probability Nullable(Float32) COMMENT 'P(chosen in slot 1); null when it was not scored', chosen_rank UInt8 COMMENT 'slot that it took; 0 when it was not chosen'
) COMMENT 'One row a candidate of a decision' AS
SELECT c.decision_id AS decision_id, c.customer_key AS customer_key, c.decided_at AS decided_at, c.channel AS channel, c.direction AS direction, c.loop AS loop, c.group_name AS group_name, c.catalog_version AS catalog_version, c.model_version AS model_version, c.action_id AS action_id,
  if(s.name = '', toString(c.stage), s.name) AS stage, c.stage AS stage_code,
  if(c.scored, c.propensity, NULL) AS propensity, if(c.scored, c.priority, NULL) AS priority, if(c.scored, c.probability, NULL) AS probability,
  if(indexOf(c.chosen_ids, c.action_id) > 0, c.chosen_ranks[indexOf(c.chosen_ids, c.action_id)], if(c.action_id = 'none' AND empty(c.chosen_ids), 1, 0)) AS chosen_rank
FROM (
  SELECT decision_id, customer_key, decided_at, channel, direction, loop, group_name, catalog_version, model_version,
    `chosen.action_id` AS chosen_ids, `chosen.rank` AS chosen_ranks, action_id, stage, scored, propensity, priority, probability
  FROM decisions FINAL
  ARRAY JOIN `candidates.action_id` AS action_id, `candidates.stage` AS stage, `candidates.scored` AS scored,
    `candidates.propensity` AS propensity, `candidates.priority` AS priority, `candidates.probability` AS probability
) AS c LEFT JOIN (SELECT code, name FROM stages FINAL) AS s ON s.code = c.stage;

CREATE OR REPLACE VIEW shown (
  decision_id UUID COMMENT 'the decision', rank UInt8 COMMENT 'slot, from 1', customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  decided_at DateTime64(3, 'UTC') COMMENT 'when it was decided', channel LowCardinality(String) COMMENT 'where the customer was met', direction LowCardinality(String) COMMENT 'inbound or outbound',
  placement LowCardinality(String) COMMENT 'place on the channel', loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', group_name LowCardinality(String) COMMENT 'model, random or untouched',
  catalog_version LowCardinality(String) COMMENT 'hash of the decisioning project', model_version LowCardinality(String) COMMENT 'model that scored', model_snapshot UInt64 COMMENT 'snapshot that scored',
  context Map(LowCardinality(String), String) COMMENT 'the moment', attributes Map(LowCardinality(String), String) COMMENT 'the customer''s attributes as read',
  feature_set LowCardinality(String) COMMENT 'names stand in feature_sets', features Array(Float32) COMMENT 'feature values as served',
  action_id LowCardinality(String) COMMENT 'the action', treatment_id LowCardinality(String) COMMENT 'its form', propensity Float32 COMMENT 'P(accepted | shown) as served',
  probability Float32 COMMENT 'P(chosen in this slot | the slots above)', value Float32 COMMENT 'worth if accepted', priority Float32 COMMENT 'as the arbiter saw it',
  target Nullable(Float64) COMMENT 'what the model learned from; null when it was never shown', reward Float64 COMMENT 'graded worth in money less cost',
  outcome LowCardinality(String) COMMENT 'the latest outcome, or none', amount Nullable(Float64) COMMENT 'money of the outcome', rewarded_at DateTime64(3, 'UTC') COMMENT 'when the latest reward came',
  matured Bool COMMENT 'the attribution window has closed'
) COMMENT 'Every chosen action that has a reward, with its latest one, matured or not' AS
SELECT d.decision_id AS decision_id, d.rank AS rank, d.customer_key AS customer_key, d.decided_at AS decided_at, d.channel AS channel, d.direction AS direction, d.placement AS placement, d.loop AS loop, d.group_name AS group_name, d.catalog_version AS catalog_version, d.model_version AS model_version, d.model_snapshot AS model_snapshot,
  d.context AS context, d.attributes AS attributes, d.feature_set AS feature_set, d.features AS features, d.action_id AS action_id, d.treatment_id AS treatment_id, d.propensity AS propensity, d.probability AS probability, d.value AS value, d.priority AS priority,
  r.target AS target, r.reward AS reward, r.outcome AS outcome, r.amount AS amount, r.occurred_at AS rewarded_at, r.matured AS matured
FROM (
  SELECT decision_id, customer_key, decided_at, channel, direction, placement, loop, group_name, catalog_version, model_version, model_snapshot, context, attributes,
    feature_set, features, rank, action_id, treatment_id, propensity, probability, value, priority
  FROM decisions FINAL
  ARRAY JOIN `chosen.rank` AS rank, `chosen.action_id` AS action_id, `chosen.treatment_id` AS treatment_id, `chosen.propensity` AS propensity,
    `chosen.probability` AS probability, `chosen.value` AS value, `chosen.priority` AS priority
) AS d INNER JOIN (SELECT decision_id, rank, target, reward, outcome, amount, occurred_at, matured FROM rewards FINAL) AS r
  ON r.decision_id = d.decision_id AND r.rank = d.rank;

CREATE OR REPLACE VIEW experiences (
  decision_id UUID COMMENT 'the decision', rank UInt8 COMMENT 'slot, from 1', customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  decided_at DateTime64(3, 'UTC') COMMENT 'when it was decided', matured_at DateTime64(3, 'UTC') COMMENT 'when its attribution window closed',
  channel LowCardinality(String) COMMENT 'where the customer was met', direction LowCardinality(String) COMMENT 'inbound or outbound', placement LowCardinality(String) COMMENT 'place on the channel',
  loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', group_name LowCardinality(String) COMMENT 'model, random or untouched', catalog_version LowCardinality(String) COMMENT 'hash of the decisioning project',
  model_version LowCardinality(String) COMMENT 'model that scored', model_snapshot UInt64 COMMENT 'snapshot that scored', context Map(LowCardinality(String), String) COMMENT 'the moment',
  attributes Map(LowCardinality(String), String) COMMENT 'the customer''s attributes as read', feature_set LowCardinality(String) COMMENT 'names stand in feature_sets', features Array(Float32) COMMENT 'feature values as served',
  action_id LowCardinality(String) COMMENT 'the action', treatment_id LowCardinality(String) COMMENT 'its form', propensity Float32 COMMENT 'P(accepted | shown) as served',
  probability Float32 COMMENT 'P(chosen in this slot | the slots above): the logging probability', value Float32 COMMENT 'worth if accepted', priority Float32 COMMENT 'as the arbiter saw it',
  target Nullable(Float64) COMMENT 'what the model learned from; null teaches nothing', reward Float64 COMMENT 'graded worth in money less cost',
  outcome LowCardinality(String) COMMENT 'the latest outcome, or none', amount Nullable(Float64) COMMENT 'money of the outcome'
) COMMENT 'Matured decisions with their latest reward: what training, evaluation and analysts use' AS
SELECT decision_id, rank, customer_key, decided_at, rewarded_at AS matured_at, channel, direction, placement, loop, group_name, catalog_version, model_version, model_snapshot,
  context, attributes, feature_set, features, action_id, treatment_id, propensity, probability, value, priority, target, reward, outcome, amount
FROM shown WHERE matured;

CREATE OR REPLACE VIEW acceptance (
  day Date COMMENT 'of the decision', channel LowCardinality(String) COMMENT 'where the customer was met', action_id LowCardinality(String) COMMENT 'the action', group_name LowCardinality(String) COMMENT 'model, random or untouched',
  shown UInt64 COMMENT 'times that it was shown', accepted UInt64 COMMENT 'times that it was accepted', acceptance Float64 COMMENT 'accepted / shown',
  low Float64 COMMENT 'lower end of the 95 % interval (Wilson)', high Float64 COMMENT 'upper end', reward Float64 COMMENT 'sum of rewards', matured_share Float64 COMMENT 'share whose attribution window has closed; below 1 the figures may still rise'
) COMMENT 'Acceptance by action, channel and day' AS
SELECT day, channel, action_id, group_name, n AS shown, k AS accepted, k / n AS acceptance,
  (p + 1.9208 / n - 1.96 * sqrt((p * (1 - p) + 0.9604 / n) / n)) / (1 + 3.8416 / n) AS low,
  (p + 1.9208 / n + 1.96 * sqrt((p * (1 - p) + 0.9604 / n) / n)) / (1 + 3.8416 / n) AS high, reward, matured_share
FROM (
  SELECT toDate(decided_at) AS day, channel, action_id, group_name, count() AS n, countIf(target > 0) AS k, k / n AS p, sum(s.reward) AS reward, avg(matured) AS matured_share
  FROM shown AS s WHERE loop = '' AND target IS NOT NULL GROUP BY day, channel, action_id, group_name
);

CREATE OR REPLACE VIEW customer_months (
  month Date COMMENT 'first day', customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex', group_name LowCardinality(String) COMMENT 'the group of that customer in that month',
  decisions UInt64 COMMENT 'in the month', reward Float64 COMMENT 'latest rewards of those decisions', orders Float64 COMMENT 'amounts of order.completed events, whoever caused them'
) COMMENT 'The unit of lift: one customer in one month' AS
SELECT d.month AS month, d.customer_key AS customer_key, d.group_name AS group_name, d.decisions AS decisions, r.reward AS reward, o.orders AS orders
FROM (
  SELECT toStartOfMonth(decided_at) AS month, customer_key, any(group_name) AS group_name, count() AS decisions
  FROM decisions FINAL WHERE loop = '' AND NOT anonymous GROUP BY month, customer_key
) AS d
LEFT JOIN (SELECT toStartOfMonth(decided_at) AS month, customer_key, sum(r.reward) AS reward FROM rewards AS r FINAL WHERE loop = '' GROUP BY month, customer_key) AS r
  ON r.month = d.month AND r.customer_key = d.customer_key
LEFT JOIN (
  SELECT toStartOfMonth(occurred_at) AS month, customer_key, sum(JSONExtractFloat(data, 'amount')) AS orders
  FROM events FINAL WHERE type = 'order.completed' GROUP BY month, customer_key
) AS o ON o.month = d.month AND o.customer_key = d.customer_key;

CREATE OR REPLACE VIEW lift (
  measure String COMMENT 'reward (of decisions) or orders (all orders of the customer; the one that untouched customers have too)', against String COMMENT 'random or untouched',
  customer_months UInt64 COMMENT 'of the model group', customer_months_against UInt64 COMMENT 'of the other group', value Float64 COMMENT 'per customer-month, model group',
  value_against Float64 COMMENT 'per customer-month, other group', lift Float64 COMMENT 'difference', standard_error Float64 COMMENT 'clustered by customer',
  low Float64 COMMENT 'lower end of the 95 % interval', high Float64 COMMENT 'upper end', significant Bool COMMENT 'the interval leaves zero out',
  sample_ratio_p Float64 COMMENT 'P of group sizes at least this uneven under 97 : 2 : 1 (chi-square, 2 degrees of freedom)', sample_ratio_ok Bool COMMENT 'false: do not trust the lift, find out why'
) COMMENT 'Value per customer-month of the model group over random and untouched, clustered by customer (sum of squared influences)' AS
WITH long AS (
  SELECT customer_key, group_name, pair.1 AS measure, pair.2 AS y FROM customer_months ARRAY JOIN [('reward', reward), ('orders', orders)] AS pair
), per_customer AS (
  SELECT measure, against, customer_key, countIf(group_name = 'model') AS nm, sumIf(y, group_name = 'model') AS ym,
    countIf(group_name = against) AS na, sumIf(y, group_name = against) AS ya
  FROM long ARRAY JOIN ['random', 'untouched'] AS against GROUP BY measure, against, customer_key
), totals AS (
  SELECT measure, against, sum(nm) AS Nm, sum(na) AS Na, sum(ym) / Nm AS mm, sum(ya) / Na AS ma FROM per_customer GROUP BY measure, against HAVING Nm > 0 AND Na > 0
), sizes AS (
  SELECT countIf(group_name = 'model') AS m, countIf(group_name = 'random') AS r, countIf(group_name = 'untouched') AS u, m + r + u AS n,
    pow(m - 0.97 * n, 2) / (0.97 * n) + pow(r - 0.02 * n, 2) / (0.02 * n) + pow(u - 0.01 * n, 2) / (0.01 * n) AS chi2 FROM customer_months
)
SELECT t.measure AS measure, t.against AS against, any(t.Nm) AS customer_months, any(t.Na) AS customer_months_against, any(t.mm) AS value, any(t.ma) AS value_against,
  value - value_against AS lift, sqrt(sum(pow((p.ym - t.mm * p.nm) / t.Nm - (p.ya - t.ma * p.na) / t.Na, 2))) AS standard_error,
  lift - 1.96 * standard_error AS low, lift + 1.96 * standard_error AS high, low > 0 OR high < 0 AS significant,
  exp(-assumeNotNull((SELECT chi2 FROM sizes)) / 2) AS sample_ratio_p, sample_ratio_p > 0.001 AS sample_ratio_ok
FROM per_customer AS p INNER JOIN totals AS t ON t.measure = p.measure AND t.against = p.against
GROUP BY t.measure, t.against;

CREATE OR REPLACE VIEW funnel (
  day Date COMMENT 'of the decision', channel LowCardinality(String) COMMENT 'where the customer was met', action_id LowCardinality(String) COMMENT 'the candidate', stage String COMMENT 'how far it came',
  candidates UInt64 COMMENT 'number that ended at this stage', share Float64 COMMENT 'of this action''s candidates on that day and channel'
) COMMENT 'How far candidates come, by stage' AS
SELECT day, channel, action_id, stage, n AS candidates, n / sum(n) OVER (PARTITION BY day, channel, action_id) AS share
FROM (SELECT toDate(decided_at) AS day, channel, action_id, stage, count() AS n FROM decision_candidates WHERE loop = '' GROUP BY day, channel, action_id, stage);

CREATE OR REPLACE VIEW calibration (
  model_version LowCardinality(String) COMMENT 'model that scored', bin UInt8 COMMENT 'twentieth of the propensity scale, from 0', shown UInt64 COMMENT 'times shown', predicted Float64 COMMENT 'mean propensity as served',
  observed Float64 COMMENT 'mean target', gap Float64 COMMENT 'observed - predicted', standard_error Float64 COMMENT 'of observed'
) COMMENT 'Propensity as served against what came true, matured decisions only' AS
SELECT model_version, least(toUInt8(floor(propensity * 20)), 19) AS bin, count() AS shown, avg(propensity) AS predicted, avg(assumeNotNull(target)) AS observed,
  observed - predicted AS gap, sqrt(greatest(observed * (1 - observed), 0) / shown) AS standard_error
FROM experiences WHERE loop = '' AND target IS NOT NULL GROUP BY model_version, bin;

CREATE OR REPLACE VIEW model_health (
  hour DateTime('UTC') COMMENT 'of the decision', model_version LowCardinality(String) COMMENT 'model that scored', decisions UInt64 COMMENT 'in the hour', snapshots UInt64 COMMENT 'number of snapshots that served',
  degraded_share Float64 COMMENT 'decisions that missed something', unknown_share Float64 COMMENT 'decisions without a state of the customer', none_share Float64 COMMENT 'decisions that chose nothing',
  mean_probability Float64 COMMENT 'of the first choice; near 1 explores no more', latency_p50_us Float64 COMMENT 'median time to decide', latency_p99_us Float64 COMMENT '99th percentile',
  rewarded UInt64 COMMENT 'shown actions with a target so far', acceptance Float64 COMMENT 'of those', log_loss Float64 COMMENT 'of the propensity as served, nats'
) COMMENT 'Each model hour by hour' AS
SELECT d.hour AS hour, d.model_version AS model_version, d.decisions AS decisions, d.snapshots AS snapshots, d.degraded_share AS degraded_share, d.unknown_share AS unknown_share, d.none_share AS none_share, d.mean_probability AS mean_probability, d.latency_p50_us AS latency_p50_us, d.latency_p99_us AS latency_p99_us, s.rewarded AS rewarded, s.acceptance AS acceptance, s.log_loss AS log_loss
FROM (
  SELECT toStartOfHour(toDateTime(decided_at, 'UTC')) AS hour, model_version, count() AS decisions, uniqExact(model_snapshot) AS snapshots, avg(notEmpty(degraded)) AS degraded_share,
    avg(NOT customer_known) AS unknown_share, avg(empty(`chosen.rank`)) AS none_share, avgIf(`chosen.probability`[1], notEmpty(`chosen.rank`)) AS mean_probability,
    quantile(0.5)(latency_us) AS latency_p50_us, quantile(0.99)(latency_us) AS latency_p99_us
  FROM decisions FINAL WHERE loop = '' GROUP BY hour, model_version
) AS d LEFT JOIN (
  SELECT toStartOfHour(toDateTime(decided_at, 'UTC')) AS hour, model_version, count() AS rewarded, avg(assumeNotNull(target) > 0) AS acceptance,
    avg(-if(assumeNotNull(target) > 0, log(greatest(propensity, 1e-6)), log(greatest(1 - propensity, 1e-6)))) AS log_loss
  FROM shown WHERE loop = '' AND target IS NOT NULL GROUP BY hour, model_version
) AS s ON s.hour = d.hour AND s.model_version = d.model_version;

CREATE OR REPLACE VIEW backfire (
  action_id LowCardinality(String) COMMENT 'the action', channel LowCardinality(String) COMMENT 'where it was shown', shown UInt64 COMMENT 'times', complaints UInt64 COMMENT 'complaint outcomes', opt_outs UInt64 COMMENT 'optOut outcomes', rejected UInt64 COMMENT 'rejected outcomes',
  harm_share Float64 COMMENT '(complaints + opt-outs) / shown', others_harm_share Float64 COMMENT 'the same of all other actions on the channel', z Float64 COMMENT 'of the difference (pooled two-proportion test); above 3 look at it', reward_per_showing Float64 COMMENT 'below 0 it costs more than it brings'
) COMMENT 'Actions that annoy: complaints and opt-outs after a showing, against the other actions of the channel' AS
SELECT action_id, channel, n AS shown, complaints, opt_outs, rejected, harm / n AS harm_share, others_harm / others_n AS others_harm_share,
  (harm_share - others_harm_share) / sqrt(greatest(pooled * (1 - pooled) * (1 / n + 1 / others_n), 1e-300)) AS z, reward / n AS reward_per_showing
FROM (
  SELECT action_id, channel, n, complaints, opt_outs, rejected, reward, complaints + opt_outs AS harm, sum(harm) OVER (PARTITION BY channel) - harm AS others_harm,
    sum(n) OVER (PARTITION BY channel) - n AS others_n, (harm + others_harm) / (n + others_n) AS pooled
  FROM (
    SELECT s.action_id, s.channel, count() AS n, countIf(o.complaint) AS complaints, countIf(o.opt_out) AS opt_outs, countIf(o.reject) AS rejected, sum(s.reward) AS reward
    FROM (SELECT decision_id, action_id, channel, reward FROM shown WHERE loop = '' AND target IS NOT NULL) AS s
    LEFT JOIN (
      SELECT decision_id, action_id, max(outcome = 'complaint') AS complaint, max(outcome = 'optOut') AS opt_out, max(outcome = 'rejected') AS reject
      FROM outcomes FINAL GROUP BY decision_id, action_id
    ) AS o ON o.decision_id = s.decision_id AND o.action_id = s.action_id
    GROUP BY s.action_id, s.channel
  )
);
