-- Why a decision was made, what it was asked for, and the hold-out inside its probabilities (docs/decisions/0032).

ALTER TABLE decisions ADD COLUMN IF NOT EXISTS cause LowCardinality(String) COMMENT 'who wanted it: trigger:<id>, segment:<id>, snooze, deferred, tmf681; empty for the API';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS root_id Nullable(UUID) COMMENT 'first decision of a chain of deferrals or snoozes; null where this is it';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS scope LowCardinality(String) COMMENT 'actions, topics and groups of which any might take part, as JSON text; empty for the whole catalog';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS holdouts Array(Float32) COMMENT 'of every candidate, in the order of candidates: share in which it is withheld once chosen; probabilities are after it; empty where none is';
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS held_out LowCardinality(String) COMMENT 'action that was chosen and withheld; empty where none was';
