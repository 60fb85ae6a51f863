-- Whether this transaction is the worker's: see medq_by_worker.

CREATE OR REPLACE FUNCTION medq_is_worker() RETURNS BOOLEAN AS $$
    SELECT COALESCE(current_setting('medq.writer', true), '') = 'worker';
$$ LANGUAGE sql STABLE;
