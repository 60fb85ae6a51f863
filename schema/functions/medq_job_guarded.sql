-- A client changes a job's row: what only the worker knows stays as it is. Beside a change of status it is passed over,
-- so that a client that saves its whole copy of the row stops or resumes the job all the same; alone it is refused.

CREATE OR REPLACE FUNCTION medq_job_guarded() RETURNS TRIGGER AS $$
BEGIN
    -- A trigger's own change, a cascade's, or of a job that somebody else began before this project came.
    IF pg_trigger_depth() > 1 OR (OLD."status" <> 'queued' AND EXISTS (
        SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = OLD."id")) THEN
        RETURN NEW;
    END IF;
    IF NOT medq_is_time(NEW."createdAt") THEN
        NEW."createdAt" = OLD."createdAt";
    END IF;
    IF NOT medq_is_time(NEW."updatedAt") THEN
        NEW."updatedAt" = medq_now();
    END IF;
    IF NEW."status" IS NOT DISTINCT FROM OLD."status" AND
       (NEW."progress", NEW."totalItems", NEW."processedItems", NEW."successfulAnalyses", NEW."failedAnalyses",
        NEW."fixedCount", NEW."ragAppliedCount", NEW."retryAttempts", NEW."totalBatches", NEW."currentBatch",
        NEW."outputUrl", NEW."errorMessage", NEW."startedAt", NEW."completedAt")
       IS DISTINCT FROM
       (OLD."progress", OLD."totalItems", OLD."processedItems", OLD."successfulAnalyses", OLD."failedAnalyses",
        OLD."fixedCount", OLD."ragAppliedCount", OLD."retryAttempts", OLD."totalBatches", OLD."currentBatch",
        OLD."outputUrl", OLD."errorMessage", OLD."startedAt", OLD."completedAt") THEN
        RAISE EXCEPTION 'A job''s figures, times, outputUrl and errorMessage are the worker''s to write: '
            'update only the columns that you mean to change.'
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob',
                HINT = 'Set "status" to "cancelled" to stop the job, or to "queued" to run again what is not done.';
    END IF;
    NEW."progress" = OLD."progress";
    NEW."totalItems" = OLD."totalItems";
    NEW."processedItems" = OLD."processedItems";
    NEW."successfulAnalyses" = OLD."successfulAnalyses";
    NEW."failedAnalyses" = OLD."failedAnalyses";
    NEW."fixedCount" = OLD."fixedCount";
    NEW."ragAppliedCount" = OLD."ragAppliedCount";
    NEW."retryAttempts" = OLD."retryAttempts";
    NEW."totalBatches" = OLD."totalBatches";
    NEW."currentBatch" = OLD."currentBatch";
    NEW."outputUrl" = OLD."outputUrl";
    NEW."errorMessage" = OLD."errorMessage";
    NEW."startedAt" = OLD."startedAt";
    NEW."completedAt" = OLD."completedAt";
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

-- By its name the first of the triggers that change the row.
CREATE OR REPLACE TRIGGER medq_job_guard_trigger
    BEFORE UPDATE ON "AiValidationJob"
    FOR EACH ROW
    WHEN (current_setting('medq.writer', true) IS DISTINCT FROM 'worker')
    EXECUTE FUNCTION medq_job_guarded();
