-- A job's items and tasks are what its row counts, and go with it alone.

CREATE OR REPLACE FUNCTION medq_rows_stay() RETURNS TRIGGER AS $$
BEGIN
    RAISE EXCEPTION 'A row of "%" is removed with its job alone: delete the job, or set its "status" to "queued" '
        'to run again what is not done.', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME;
END;
$$ LANGUAGE plpgsql;

-- By hand: neither by a cascade nor by a function of ours.
CREATE OR REPLACE TRIGGER medq_task_stays_trigger
    BEFORE DELETE ON "AiValidationTask"
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND current_setting('medq.writer', true) IS DISTINCT FROM 'worker')
    EXECUTE FUNCTION medq_rows_stay();

CREATE OR REPLACE TRIGGER medq_item_stays_trigger
    BEFORE DELETE ON "AiValidationItem"
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND current_setting('medq.writer', true) IS DISTINCT FROM 'worker')
    EXECUTE FUNCTION medq_rows_stay();
