-- Once in the database, as an administrator, on a server that preloads the library
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
