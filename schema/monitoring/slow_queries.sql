-- Slow queries: needs pg_stat_statements
SELECT round(mean_exec_time::numeric, 1) AS "mean ms", calls, round(total_exec_time::numeric) AS "total ms",
       left(regexp_replace(query, '\s+', ' ', 'g'), 90) AS query
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY mean_exec_time DESC
LIMIT 10;
