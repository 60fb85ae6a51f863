-- Every object of the current schema: its kind and its name.

SELECT CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'index' END AS kind, relname::text AS name
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
LEFT JOIN pg_index ON indexrelid = pg_class.oid
WHERE relkind IN ('r', 'v', 'i') AND indisvalid IS NOT FALSE
UNION ALL
SELECT 'constraint', conname::text
FROM pg_constraint
JOIN pg_namespace ON pg_namespace.oid = connamespace AND nspname = current_schema()
UNION ALL
SELECT 'function', proname::text
FROM pg_proc
JOIN pg_namespace ON pg_namespace.oid = pronamespace AND nspname = current_schema()
UNION ALL
SELECT 'trigger', tgname::text
FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
WHERE NOT tgisinternal AND tgenabled <> 'D'
