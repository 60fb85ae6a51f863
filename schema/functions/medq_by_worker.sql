-- The worker marks its transactions: what a client may not write into a job's row, it may. Whoever brings in a history
-- as it was, or repairs rows by hand, says the same first: SELECT medq_by_worker(). It is no secret and no right: it
-- keeps a client from writing what it did not mean, and the mark ends with its transaction.

CREATE OR REPLACE FUNCTION medq_by_worker() RETURNS BOOLEAN AS $$
    SELECT set_config('medq.writer', 'worker', true) IS NOT NULL;
$$ LANGUAGE sql VOLATILE;
