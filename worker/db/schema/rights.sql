-- What the roles of a worker and of a web app may do in the database: one table, printed as GRANTs and looked after.

-- name: current_role
-- Whose rights this session has.
SELECT current_user;

-- name: read_place
-- The schema that the search path names first, in which this role need not be allowed to look for anything.
SELECT current_database(), COALESCE(
    current_schema(),
    (SELECT nspname FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS path(name, nth)
     JOIN pg_namespace ON nspname = trim(both '" ' from path.name) ORDER BY nth LIMIT 1),
    'public');

-- name: read_present
-- The tables and views of a schema, and its functions with their arguments: what can be granted.
SELECT relname::text, '' FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema) AND relkind IN ('r', 'p', 'v')
UNION ALL
SELECT proname::text, '(' || pg_get_function_identity_arguments(oid) || ')' FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema);

-- name: find_owners
-- The owners of the functions that run with their owner's rights.
SELECT DISTINCT pg_get_userbyid(proowner)::text FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema) AND prosecdef
  AND starts_with(proname, 'medq_');

-- name: may_use_database
-- Whether a role has a privilege on this database.
SELECT has_database_privilege(:role, current_database(), :privilege);

-- name: may_use_schema
-- Whether a role has a privilege on a schema. Objects are looked up in the catalogue, which everybody may read: a name
-- is not found without USAGE on its schema.
SELECT has_schema_privilege(:role, oid, :privilege) FROM pg_namespace WHERE nspname = :name;

-- name: may_use_table
-- Whether a role has a privilege on a table or view, or on each of these columns of it.
SELECT CASE WHEN CAST(:columns AS text[]) = '{}' THEN has_table_privilege(:role, c.oid, :privilege)
    ELSE (SELECT bool_and(has_column_privilege(:role, c.oid, attname, :privilege)) FROM pg_attribute
          WHERE attrelid = c.oid AND attname = ANY(CAST(:columns AS text[]))) END
FROM pg_class c
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema) AND relname = :name
  AND relkind IN ('r', 'p', 'v');

-- name: may_use_function
-- Whether a role has a privilege on every function of this name.
SELECT bool_and(has_function_privilege(:role, oid, :privilege)) FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema) AND proname = :name;
