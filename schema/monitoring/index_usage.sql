-- Index usage
SELECT schemaname AS schema, relname AS "table", indexrelname AS "index", idx_scan AS scans,
       idx_tup_read AS "entries read", idx_tup_fetch AS "rows fetched"
FROM pg_stat_user_indexes
WHERE schemaname = current_schema()
ORDER BY idx_scan DESC, 2, 3;
