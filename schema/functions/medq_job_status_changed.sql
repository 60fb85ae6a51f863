-- What a change of status does. A client stops a job and runs an ended one again; every other change is the worker's.

CREATE OR REPLACE FUNCTION medq_job_status_changed() RETURNS TRIGGER AS $$
DECLARE
    -- A job of before this project came: whoever began it may end it, until it is queued again.
    is_adopted BOOLEAN := EXISTS (SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = OLD."id");
BEGIN
    IF NOT (
        (is_adopted AND OLD."status" <> 'queued')
        OR (medq_job_is_open(OLD."status") AND NEW."status" = 'cancelled')
        OR (NOT medq_job_is_open(OLD."status") AND NEW."status" = 'queued')
        OR (medq_is_worker() AND (
            (OLD."status" = 'queued' AND NEW."status" IN ('processing', 'failed'))
            -- Back to the queue: what somebody left without a task.
            OR (OLD."status" = 'processing' AND NEW."status" IN ('completed', 'failed', 'queued'))))
    ) THEN
        RAISE EXCEPTION 'A job cannot go from "%" to "%"%', OLD."status", NEW."status",
            CASE WHEN NOT medq_job_is_open(OLD."status") THEN
                     ': it has ended. Set "queued" to run again what is not done.'
                 WHEN NEW."status" = 'queued' THEN ': it is being worked on. Set "cancelled" first, then "queued".'
                 ELSE ' by hand: the worker does that. Set "cancelled" to stop it.' END
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'status';
    END IF;

    -- A pause is of the run that met its cause.
    DELETE FROM "AiValidationPause" WHERE "jobId" = OLD."id";

    IF NEW."status" = 'cancelled' THEN
        PERFORM medq_cancel_tasks(OLD."id");
        NEW."completedAt" = medq_now();
        NEW."updatedAt" = medq_now();
        NEW."message" = medq_cancelled_message(COALESCE(OLD."processedItems", 0), COALESCE(OLD."totalItems", 0));
    ELSIF NEW."status" = 'queued' THEN
        PERFORM medq_resume_tasks(OLD."id");
        NEW."errorMessage" = NULL;
        NEW."outputUrl" = NULL;
        NEW."startedAt" = NULL;
        NEW."completedAt" = NULL;
        NEW."updatedAt" = medq_now();
        NEW."message" = 'En file d''attente pour une reprise.';
        PERFORM pg_notify('medq_task', OLD."id");
    END IF;

    IF NEW."status" = 'queued' OR (is_adopted AND NEW."status" = 'processing') THEN
        DELETE FROM medq_adopted WHERE is_adopted AND "kind" = 'job' AND "name" = OLD."id";
        SELECT * INTO NEW."totalItems", NEW."processedItems", NEW."successfulAnalyses", NEW."failedAnalyses",
            NEW."fixedCount", NEW."ragAppliedCount", NEW."retryAttempts", NEW."totalBatches", NEW."currentBatch"
        FROM medq_job_figures(OLD."id");
        NEW."progress" = 0;
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_status_trigger
    BEFORE UPDATE OF "status" ON "AiValidationJob"
    FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status")
    EXECUTE FUNCTION medq_job_status_changed();
