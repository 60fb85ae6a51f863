-- A job begins in the queue and at zero, whatever else a client's INSERT says of it.

CREATE OR REPLACE FUNCTION medq_job_begins() RETURNS TRIGGER AS $$
BEGIN
    IF NOT medq_job_is_open(NEW."status") THEN
        RAISE EXCEPTION 'A job begins as "queued", not as "%": leave "status" out of the INSERT.', NEW."status"
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'status',
                HINT = 'To bring in a history as it was, SELECT medq_by_worker() first, in the same transaction.';
    ELSIF NEW."status" = 'processing' THEN
        NEW."status" = 'queued';
    END IF;
    NEW."progress" = 0;
    NEW."totalItems" = 0;
    NEW."processedItems" = 0;
    NEW."successfulAnalyses" = 0;
    NEW."failedAnalyses" = 0;
    NEW."fixedCount" = 0;
    NEW."ragAppliedCount" = 0;
    NEW."retryAttempts" = 0;
    NEW."totalBatches" = 1;
    NEW."currentBatch" = 1;
    NEW."outputUrl" = NULL;
    NEW."errorMessage" = NULL;
    NEW."startedAt" = NULL;
    NEW."completedAt" = NULL;
    NEW."message" = COALESCE(NEW."message", 'En file d''attente.');
    IF NOT medq_is_time(NEW."createdAt") THEN
        NEW."createdAt" = medq_now();
    END IF;
    IF NOT medq_is_time(NEW."updatedAt") THEN
        NEW."updatedAt" = medq_now();
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_begins_trigger
    BEFORE INSERT ON "AiValidationJob"
    FOR EACH ROW
    WHEN (current_setting('medq.writer', true) IS DISTINCT FROM 'worker')
    EXECUTE FUNCTION medq_job_begins();
