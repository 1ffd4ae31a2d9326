-- Off-policy evaluation as far as SQL can say it: what always choosing one action would have been worth.

CREATE OR REPLACE VIEW action_values (
  loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', action_id LowCardinality(String) COMMENT 'the action that would always have been chosen in slot 1',
  decisions UInt64 COMMENT 'matured decisions where the log could have chosen it', outside Float64 COMMENT 'share of the decisions where it was scored that the log could not have shown it in: outside support, and not in the figures',
  shown UInt64 COMMENT 'times that it was chosen', effective_n Float64 COMMENT 'Kish: so many decisions of the policy itself would know as much; below 100 go by none of these', largest_weight Float64 COMMENT '1 / smallest probability with which it was chosen',
  ips Float64 COMMENT 'value per decision by inverse propensity scores', ips_low Float64 COMMENT 'lower end of the 95 % interval, clustered by customer', ips_high Float64 COMMENT 'upper end',
  snips Float64 COMMENT 'value per decision, self-normalised', snips_low Float64 COMMENT 'lower end', snips_high Float64 COMMENT 'upper end',
  logged Float64 COMMENT 'value per decision of the same decisions as they were'
) COMMENT 'What always choosing an action would have been worth where it could be chosen, by matured decisions; attune evaluate says more' AS
WITH rounds AS (
  SELECT d.loop AS loop, d.customer_key AS customer_key, d.action_id AS action_id, toFloat64(d.probability) AS probability,
    if(d.first = d.action_id, 1 / probability, 0) AS weight, if(d.first = 'none', 0, r.reward) AS reward
  FROM (
    SELECT decision_id, customer_key, loop, if(empty(`chosen.action_id`), 'none', `chosen.action_id`[1]) AS first, action_id, probability
    FROM decisions FINAL
    ARRAY JOIN `candidates.action_id` AS action_id, `candidates.scored` AS scored, `candidates.probability` AS probability
    WHERE group_name != 'untouched' AND scored AND action_id != 'none'
      AND (if(empty(`chosen.action_id`), none_probability > 0, `candidates.scored`[indexOf(`candidates.action_id`, `chosen.action_id`[1])] AND `candidates.probability`[indexOf(`candidates.action_id`, `chosen.action_id`[1])] > 0))
  ) AS d LEFT JOIN (SELECT decision_id, rank, reward, matured FROM rewards FINAL WHERE rank = 1) AS r ON r.decision_id = d.decision_id
  WHERE d.first = 'none' OR r.matured
), per_customer AS (
  SELECT loop, action_id, customer_key, countIf(probability > 0) AS n, countIf(probability = 0) AS outside, countIf(weight > 0) AS shown, sumIf(weight, probability > 0) AS w,
    sumIf(weight * weight, probability > 0) AS ww, maxIf(weight, probability > 0) AS largest, sumIf(weight * reward, probability > 0) AS wr, sumIf(reward, probability > 0) AS r
  FROM rounds GROUP BY loop, action_id, customer_key
), totals AS (
  SELECT loop, action_id, sum(p.n) AS N, sum(p.outside) AS out, sum(p.shown) AS times, sum(p.w) AS W, sum(p.ww) AS WW, max(p.largest) AS top, sum(p.wr) AS WR, sum(p.r) AS R, countIf(p.n > 0) AS G
  FROM per_customer AS p GROUP BY loop, action_id HAVING N > 0 AND W > 0 AND G > 1
)
SELECT t.loop AS loop, t.action_id AS action_id, any(t.N) AS decisions, any(t.out / (t.N + t.out)) AS outside, any(t.times) AS shown, any(t.W * t.W / t.WW) AS effective_n, any(t.top) AS largest_weight,
  any(t.WR / t.N) AS ips, ips - 1.96 * any(t.ips_error) AS ips_low, ips + 1.96 * any(t.ips_error) AS ips_high,
  any(t.WR / t.W) AS snips, snips - 1.96 * any(t.snips_error) AS snips_low, snips + 1.96 * any(t.snips_error) AS snips_high, any(t.R / t.N) AS logged
FROM (
  SELECT p.loop AS loop, p.action_id AS action_id, t.N AS N, t.out AS out, t.times AS times, t.W AS W, t.WW AS WW, t.top AS top, t.WR AS WR, t.R AS R,
    sqrt(sum(pow(p.wr - t.WR / t.N * p.n, 2)) OVER (PARTITION BY p.loop, p.action_id) * t.G / (t.G - 1)) / t.N AS ips_error,
    sqrt(sum(pow(p.wr - t.WR / t.W * p.w, 2)) OVER (PARTITION BY p.loop, p.action_id) * t.G / (t.G - 1)) / t.W AS snips_error
  FROM per_customer AS p INNER JOIN totals AS t ON t.loop = p.loop AND t.action_id = p.action_id
) AS t GROUP BY t.loop, t.action_id;
