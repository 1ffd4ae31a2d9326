-- Change, for people who read tables: what decisions are asked with, and rewards against what was predicted.

CREATE OR REPLACE VIEW input_drift (
  loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', feature LowCardinality(String) COMMENT 'name of the feature', psi Float64 COMMENT 'population stability index over ten bins at the deciles of before: 0.1 is moderate, 0.25 large',
  recent UInt64 COMMENT 'decisions of the last seven days', before UInt64 COMMENT 'decisions of the 28 days before those', mean_recent Float64 COMMENT 'mean of the feature as served, recent', mean_before Float64 COMMENT 'mean before'
) COMMENT 'Each feature as decisions were asked with it: the last seven days that there are against the 28 days before' AS
SELECT loop, feature, sum((q - p) * log(q / p)) AS psi, sum(n_recent) AS recent, sum(n_before) AS before,
  sum(sum_recent) / greatest(recent, 1) AS mean_recent, sum(sum_before) / greatest(before, 1) AS mean_before
FROM (
  SELECT loop, feature, n_recent, n_before, sum_recent, sum_before,
    (n_recent + 0.5) / (sum(n_recent) OVER (PARTITION BY loop, feature) + 0.5 * count() OVER (PARTITION BY loop, feature)) AS q,
    (n_before + 0.5) / (sum(n_before) OVER (PARTITION BY loop, feature) + 0.5 * count() OVER (PARTITION BY loop, feature)) AS p
  FROM (
    SELECT v.loop AS loop, v.feature AS feature, arrayCount(edge -> v.value > edge, e.edges) AS bin, countIf(v.is_recent) AS n_recent, countIf(NOT v.is_recent) AS n_before,
      sumIf(v.value, v.is_recent) AS sum_recent, sumIf(v.value, NOT v.is_recent) AS sum_before
    FROM (
      SELECT loop, feature, value, is_recent
      FROM (
        SELECT d.loop AS loop, d.decided_at >= (SELECT max(decided_at) FROM decisions) - INTERVAL 7 DAY AS is_recent, s.names AS names, d.features AS features
        FROM decisions AS d FINAL INNER JOIN feature_sets AS s ON s.fingerprint = d.feature_set
        WHERE d.decided_at >= (SELECT max(decided_at) FROM decisions) - INTERVAL 35 DAY
      ) ARRAY JOIN names AS feature, features AS value
    ) AS v
    INNER JOIN (
      SELECT loop, feature, quantiles(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)(value) AS edges
      FROM (
        SELECT loop, feature, value
        FROM (
          SELECT d.loop AS loop, s.names AS names, d.features AS features
          FROM decisions AS d FINAL INNER JOIN feature_sets AS s ON s.fingerprint = d.feature_set
          WHERE d.decided_at >= (SELECT max(decided_at) FROM decisions) - INTERVAL 35 DAY AND d.decided_at < (SELECT max(decided_at) FROM decisions) - INTERVAL 7 DAY
        ) ARRAY JOIN names AS feature, features AS value
      ) GROUP BY loop, feature
    ) AS e ON e.loop = v.loop AND e.feature = v.feature
    GROUP BY loop, feature, bin
  )
) GROUP BY loop, feature;

CREATE OR REPLACE VIEW reward_drift (
  week Date COMMENT 'Monday of the decisions', loop LowCardinality(String) COMMENT 'empty for the catalog''s own loop', model_version LowCardinality(String) COMMENT 'model that scored', shown UInt64 COMMENT 'final rewards with a target',
  predicted Float64 COMMENT 'mean as served', observed Float64 COMMENT 'mean target', shift Float64 COMMENT 'observed - predicted', standard_error Float64 COMMENT 'of the shift, were outcomes independent'
) COMMENT 'Final rewards against what was predicted, week by week: a shift of many standard errors is drift, or a model that is not calibrated' AS
SELECT week, loop, model_version, count() AS shown, avg(propensity) AS predicted, avg(assumeNotNull(target)) AS observed, avg(assumeNotNull(target) - propensity) AS shift,
  stddevPop(assumeNotNull(target) - propensity) / sqrt(shown) AS standard_error
FROM (SELECT toMonday(decided_at) AS week, loop, model_version, propensity, target FROM experiences WHERE target IS NOT NULL)
GROUP BY week, loop, model_version;
