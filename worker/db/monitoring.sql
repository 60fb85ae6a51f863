-- How the server does: the specification's monitoring queries, and what its log may quote. Nothing is changed.

-- name: find_statements_schema
-- The schema in which pg_stat_statements was created; no row where it was not.
SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_stat_statements';

-- name: look_into_schema
-- Let names be found in this schema too, until the transaction ends.
SELECT set_config('search_path', concat(current_setting('search_path'), ', ', CAST(:schema AS text)), true);

-- name: read_log_settings
-- What of the server's settings may bring the text of questions into its log.
SELECT name, setting FROM pg_settings WHERE name IN (
    'log_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_transaction_sample_rate',
    'log_parameter_max_length', 'log_parameter_max_length_on_error', 'log_error_verbosity',
    'log_min_error_statement', 'auto_explain.log_min_duration');
