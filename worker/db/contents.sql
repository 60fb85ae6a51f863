-- What a database holds as a whole, by its catalogue: its schema, tables, extensions and size. No row is read.

-- name: read_facts
-- The database, where unqualified names lead, the server's major version, and how large it is.
SELECT current_database(), current_setting('search_path'), current_schema(),
    current_setting('server_version_num')::int / 10000, pg_database_size(current_database());

-- name: count_tables
-- How many tables and views each schema holds, those of extensions aside.
SELECT nspname, count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
GROUP BY 1 ORDER BY 1;

-- name: find_extensions
-- The extensions there are. One is needed when something that is no part of one (a column's type, an index's operators,
-- a default) rests on what it brought.
SELECT extname, EXISTS (
    SELECT FROM pg_depend part JOIN pg_depend user_of_it
        ON user_of_it.refclassid = part.classid AND user_of_it.refobjid = part.objid
        AND user_of_it.deptype IN ('n', 'a')
    WHERE part.refclassid = 'pg_extension'::regclass AND part.refobjid = pg_extension.oid AND part.deptype = 'e'
        AND NOT EXISTS (
            SELECT FROM pg_depend own WHERE own.classid = user_of_it.classid AND own.objid = user_of_it.objid
                AND own.deptype = 'e')
)
FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1;

-- name: read_schemas
-- The schemas there are.
SELECT nspname FROM pg_namespace;
