-- All steps of a message, what contacting does, and what customers answer (docs/decisions/0032, 0034). No address, no text.

ALTER TABLE communications ADD COLUMN IF NOT EXISTS action_id LowCardinality(String) COMMENT 'the action that it brings';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS cause LowCardinality(String) COMMENT 'who wanted it: api, trigger:<id>, segment:<id>, snooze, tmf681';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS arm LowCardinality(String) COMMENT 'of its trial: contacted or heldOut; empty where none was opened';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS until Nullable(DateTime64(3, 'UTC')) COMMENT 'of deferred: when it is decided again; of queued and heldOut: when the trial closes';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS expires_at Nullable(DateTime64(3, 'UTC')) COMMENT 'past it the message is not sent any more';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS language LowCardinality(String) COMMENT 'BCP 47; empty where none was chosen';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS attempt UInt16 COMMENT 'of sending, from 1; 0 before';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS provider_id String COMMENT 'name that the next hop gave it; empty before';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS doubtful Bool COMMENT 'it may have been sent twice, or not at all: the protocol cannot tell';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS inbound_contacts UInt16 COMMENT 'of matured: how often the customer came to us within the window';
ALTER TABLE communications ADD COLUMN IF NOT EXISTS holdout_share Float32 COMMENT 'of matured: with what probability it was held out once it was chosen';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS contact_costs Array(Float32) COMMENT 'of every candidate, in the order of candidates: money that contacting is expected to cost in inbound contacts, taken off its priority; empty where nothing is known';
ALTER TABLE decisions COMMENT COLUMN cause 'who wanted it: trigger:<id>, segment:<id>, batch, batch:<id>, snooze, deferred, tmf680, tmf681; empty for the API';
ALTER TABLE communications COMMENT COLUMN state 'queued, sent, delivered, failed, bounced, expired, denied, deferred, heldOut, cancelled; matured: its trial ended';
ALTER TABLE outcomes COMMENT COLUMN outcome 'impression, clicked, accepted, rejected, later, converted, complaint, optOut, undelivered, alreadyHas, neverOffered, or the catalog''s own';

CREATE OR REPLACE VIEW messages (
  communication_id UUID COMMENT 'the message', decision_id Nullable(UUID) COMMENT 'the decision that asked for it', customer_key FixedString(32) COMMENT 'keyed hash of the customer, hex',
  action_id LowCardinality(String) COMMENT 'the action that it brings', treatment_id LowCardinality(String) COMMENT 'its form', channel LowCardinality(String) COMMENT 'sms, email, ...',
  cause LowCardinality(String) COMMENT 'who wanted it', state LowCardinality(String) COMMENT 'its latest step, trials aside', reason_code LowCardinality(String) COMMENT 'why', first_at DateTime64(3, 'UTC') COMMENT 'its first step',
  sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'when the next hop took it; null: it did not', delivered_at Nullable(DateTime64(3, 'UTC')) COMMENT 'when it arrived; null: nobody said so',
  last_at DateTime64(3, 'UTC') COMMENT 'its latest step', attempts UInt16 COMMENT 'of sending', doubtful Bool COMMENT 'it may have been sent twice, or not at all'
) COMMENT 'Messages, one row each: what became of it' AS
SELECT c.communication_id AS communication_id, any(c.decision_id) AS decision_id, any(c.customer_key) AS customer_key, max(c.action_id) AS action_id, max(c.treatment_id) AS treatment_id, any(c.channel) AS channel, max(c.cause) AS cause,
  argMax(c.state, (c.at, c.place)) AS state, argMax(c.reason_code, (c.at, c.place)) AS reason_code, min(c.at) AS first_at,
  nullIf(minIf(c.at, c.state = 'sent'), toDateTime64(0, 3, 'UTC')) AS sent_at, nullIf(minIf(c.at, c.state = 'delivered'), toDateTime64(0, 3, 'UTC')) AS delivered_at,
  max(c.at) AS last_at, max(c.attempt) AS attempts, max(c.doubtful) AS doubtful
FROM (
  SELECT communication_id, decision_id, customer_key, action_id, treatment_id, channel, cause, state, reason_code, at, attempt, doubtful, (log_epoch, log_offset) AS place
  FROM communications FINAL WHERE state != 'matured'
) AS c GROUP BY c.communication_id;

CREATE OR REPLACE VIEW contact_effects (
  action_id LowCardinality(String) COMMENT 'the outbound action', contacted UInt64 COMMENT 'matured trials of customers who were contacted', contacted_inbound UInt64 COMMENT 'of them, those who came to us within the window',
  held_out UInt64 COMMENT 'matured trials of customers who were held out', held_out_inbound UInt64 COMMENT 'of them, those who came to us within the window', contacted_rate Nullable(Float64) COMMENT 'contacted_inbound / contacted', held_out_rate Nullable(Float64) COMMENT 'held_out_inbound / held_out',
  difference Nullable(Float64) COMMENT 'rate of the contacted minus rate of the held out, each hold-out share by its trials; above 0 contacting makes customers come to us. Bounds that hold at any time: docs/backfire.md', latest_at DateTime64(3, 'UTC') COMMENT 'when the newest trial ended'
) COMMENT 'Whether contacting makes customers come to us, by intention to treat: one customer, one action, one window' AS
SELECT t.action_id AS action_id, sum(t.c) AS contacted, sum(t.ci) AS contacted_inbound, sum(t.h) AS held_out, sum(t.hi) AS held_out_inbound,
  if(contacted = 0, NULL, contacted_inbound / contacted) AS contacted_rate, if(held_out = 0, NULL, held_out_inbound / held_out) AS held_out_rate,
  if(sumIf(t.c + t.h, t.c > 0 AND t.h > 0) = 0, NULL, sumIf((t.c + t.h) * (t.ci / greatest(t.c, 1) - t.hi / greatest(t.h, 1)), t.c > 0 AND t.h > 0) / sumIf(t.c + t.h, t.c > 0 AND t.h > 0)) AS difference, max(t.at) AS latest_at
FROM (
  SELECT action_id, round(holdout_share, 4) AS share, countIf(arm = 'contacted') AS c, countIf(arm = 'contacted' AND inbound_contacts > 0) AS ci, countIf(arm = 'heldOut') AS h, countIf(arm = 'heldOut' AND inbound_contacts > 0) AS hi, max(at) AS at
  FROM communications FINAL WHERE state = 'matured' AND arm != '' AND holdout_share BETWEEN 0.001 AND 0.999 GROUP BY action_id, share
) AS t GROUP BY t.action_id;

CREATE OR REPLACE VIEW answers (
  action_id LowCardinality(String) COMMENT 'the action', channel LowCardinality(String) COMMENT 'where it was to be shown', chosen UInt64 COMMENT 'times that it was chosen and has a reward', presented UInt64 COMMENT 'of them, times that the customer saw it and it applied',
  accepted UInt64 COMMENT 'of the presented', rejected UInt64 COMMENT 'times that the latest answer is a refusal', later UInt64 COMMENT 'times that the latest answer is "later"', ignored UInt64 COMMENT 'presented, and nothing more was heard',
  already_has UInt64 COMMENT 'the customer has it, or it does not apply', never_offered UInt64 COMMENT 'the touchpoint did not present it: no refusal', undelivered UInt64 COMMENT 'the message did not arrive'
) COMMENT 'What customers answer, and what they never saw, by action and channel' AS
SELECT action_id, channel, count() AS chosen, countIf(target IS NOT NULL) AS presented, countIf(target > 0) AS accepted, countIf(outcome = 'rejected') AS rejected, countIf(outcome = 'later') AS later,
  countIf(target = 0 AND outcome IN ('impression', 'none')) AS ignored, countIf(outcome = 'alreadyHas') AS already_has, countIf(outcome = 'neverOffered') AS never_offered, countIf(target IS NULL AND outcome = 'undelivered') AS undelivered
FROM shown WHERE loop = '' GROUP BY action_id, channel;

CREATE OR REPLACE VIEW applicability_flags (
  action_id LowCardinality(String) COMMENT 'the action', asked UInt64 COMMENT 'customers'' answers and showings, those who have it already with them', already_has UInt64 COMMENT 'of them, "already has it"', share Float64 COMMENT 'already_has / asked',
  low Float64 COMMENT 'lower end of its 95 % interval (Wilson): above a few per cent the action''s conditions let through whom they should not', high Float64 COMMENT 'upper end', latest_at DateTime64(3, 'UTC') COMMENT 'when it was last said'
) COMMENT 'Actions that reach customers who have them already: their eligibility or applicability in the catalog, or the attributes that it reads, are at fault' AS
SELECT action_id, n AS asked, k AS already_has, k / n AS share,
  (p + 1.9208 / n - 1.96 * sqrt((p * (1 - p) + 0.9604 / n) / n)) / (1 + 3.8416 / n) AS low,
  (p + 1.9208 / n + 1.96 * sqrt((p * (1 - p) + 0.9604 / n) / n)) / (1 + 3.8416 / n) AS high, latest_at
FROM (
  SELECT action_id, countIf(target IS NOT NULL OR outcome = 'alreadyHas') AS n, countIf(outcome = 'alreadyHas') AS k, k / n AS p, maxIf(rewarded_at, outcome = 'alreadyHas') AS latest_at
  FROM shown WHERE loop = '' GROUP BY action_id HAVING k > 0
);
