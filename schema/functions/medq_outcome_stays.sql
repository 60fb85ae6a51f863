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
          -- Not as rows: a dump would write that otherwise than it was read.
          AND (OLD."status" IS DISTINCT FROM NEW."status" OR OLD."jobId" IS DISTINCT FROM NEW."jobId"
              OR OLD."taskId" IS DISTINCT FROM NEW."taskId"
              OR OLD."duplicateOfId" IS DISTINCT FROM NEW."duplicateOfId"))
    EXECUTE FUNCTION medq_outcome_stays();
