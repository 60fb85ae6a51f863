-- The figures of a job are counted from the outcomes of its items: both change together, or neither does.

CREATE OR REPLACE FUNCTION medq_outcome_stays() RETURNS TRIGGER AS $$
BEGIN
    RAISE EXCEPTION 'What a row came to and where it belongs is the worker''s to write: settle it by a decision '
        '(medq decide), or set its job to "queued" to run again what failed.'
        USING ERRCODE = 'check_violation', TABLE = 'AiValidationItem', COLUMN = 'status';
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER medq_outcome_stays_trigger
    BEFORE UPDATE OF "status", "jobId", "taskId", "duplicateOfId" ON "AiValidationItem"
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND current_setting('medq.writer', true) IS DISTINCT FROM 'worker'
          AND (OLD."status", OLD."jobId", OLD."taskId", OLD."duplicateOfId")
              IS DISTINCT FROM (NEW."status", NEW."jobId", NEW."taskId", NEW."duplicateOfId"))
    EXECUTE FUNCTION medq_outcome_stays();
