-- The training row is the served row: with these columns a decision is encoded again from the warehouse as it was when it was served, bit
-- for bit. Maps hold text, so the types of their values stand beside them; rows from before have as_served = false.

ALTER TABLE decisions ADD COLUMN IF NOT EXISTS context_types LowCardinality(String) COMMENT 'a letter for each value of context, in order: s text, n number, b true or false';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS attribute_types LowCardinality(String) COMMENT 'likewise of attributes';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS own_candidates String COMMENT 'the caller''s own candidates and their features as JSON text, without personal fields; empty where the catalog''s actions were the candidates' CODEC(ZSTD);
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.action_id` Array(LowCardinality(String)) COMMENT 'scored candidates that the customer had met before';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.shown` Array(UInt32) COMMENT 'times that the customer had seen the action';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.accepted` Array(UInt32) COMMENT 'times that the customer had accepted it';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.rejected` Array(UInt32) COMMENT 'times that the customer had rejected it';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.last_shown_at` Array(DateTime64(3, 'UTC')) COMMENT 'when it was last shown; 1970 is never';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS `pairs.last_rejected_at` Array(DateTime64(3, 'UTC')) COMMENT 'when it was last rejected; 1970 is never';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS as_served Bool DEFAULT false COMMENT 'the row holds all that the model''s encoder read, so that training sees what serving saw';
