-- Indexes of the current schema whose concurrent build was cut off.

SELECT relname::text
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
WHERE NOT indisvalid
