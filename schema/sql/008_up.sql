-- The job's row tells the truth whoever writes it: nothing goes backwards within a run, and a repeated call shows.

CREATE OR REPLACE FUNCTION medq_job_never_back() RETURNS TRIGGER AS $$
BEGIN
    RAISE EXCEPTION 'A job''s figures cannot go back: progress % to %, processedItems % to %',
        OLD."progress", NEW."progress", OLD."processedItems", NEW."processedItems"
        USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'progress';
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

-- A run begins with "queued", where both return to 0.
CREATE OR REPLACE TRIGGER medq_job_never_back_trigger
    BEFORE UPDATE ON "AiValidationJob"
    FOR EACH ROW
    WHEN (NEW."status" <> 'queued'
          AND (NEW."progress" < OLD."progress" OR NEW."processedItems" < OLD."processedItems"))
    EXECUTE FUNCTION medq_job_never_back();

-- "retryAttempts" counts these rows: it changes in the transaction that writes one.
CREATE OR REPLACE FUNCTION medq_call_repeated() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "AiValidationJob" SET "retryAttempts" = COALESCE("retryAttempts", 0) + 1 WHERE "id" = NEW."jobId";
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_call_repeated_trigger
    AFTER INSERT ON "LlmCall"
    FOR EACH ROW
    WHEN (NEW."isRetry" AND NEW."jobId" IS NOT NULL)
    EXECUTE FUNCTION medq_call_repeated();
