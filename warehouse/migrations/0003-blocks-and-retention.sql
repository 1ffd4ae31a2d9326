-- A block that is sent again under its token is dropped before it is written, so that it counts once without FINAL too (a replicated
-- table does so by itself). Rows that have outlived their days go with their part, a month's at a time: rewriting parts to take a
-- few rows out would cost more than keeping them a little longer.

ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
ALTER TABLE decisions MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
ALTER TABLE outcomes MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
ALTER TABLE rewards MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
ALTER TABLE communications MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
ALTER TABLE dead_letters MODIFY SETTING non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
