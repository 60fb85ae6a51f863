-- A job is driven through its row alone, by any client: these triggers turn a change of "status" into tasks.
-- Times are UTC whatever the session's zone. Locks are always taken in the order job, tasks, items.

CREATE OR REPLACE FUNCTION medq_now() RETURNS TIMESTAMP(3) AS $$
    SELECT timezone('UTC', clock_timestamp())::timestamp(3);
$$ LANGUAGE sql VOLATILE;

CREATE OR REPLACE FUNCTION medq_new_id() RETURNS TEXT AS $$
    SELECT 'c' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 24);
$$ LANGUAGE sql VOLATILE;

-- The figures of a job as its items, tasks and calls give them: what the job row must say at every commit.
CREATE OR REPLACE FUNCTION medq_job_figures(job_id TEXT)
RETURNS TABLE (
    "totalItems" INTEGER, "processedItems" INTEGER, "successfulAnalyses" INTEGER, "failedAnalyses" INTEGER,
    "fixedCount" INTEGER, "ragAppliedCount" INTEGER, "retryAttempts" INTEGER,
    "totalBatches" INTEGER, "currentBatch" INTEGER
) AS $$
    SELECT items.total, items.processed, items.successful, items.failed, items.fixed, items.with_excerpts,
        calls.retries, greatest(1, batches.total), greatest(1, batches.ended)
    FROM (
        SELECT
            count(*)::int AS total,
            (count(*) FILTER (WHERE item."status" <> 'pending'))::int AS processed,
            (count(*) FILTER (
                WHERE item."status" IN ('confirmed', 'corrected', 'completed', 'contested')
                    OR (item."status" = 'duplicate' AND (
                        item."duplicateOfId" IS NULL
                        OR twin."status" IN ('confirmed', 'corrected', 'completed', 'contested')))))::int AS successful,
            (count(*) FILTER (
                WHERE item."status" IN ('rejected', 'failed')
                    OR (item."status" = 'duplicate' AND twin."status" IN ('rejected', 'failed'))))::int AS failed,
            (count(*) FILTER (WHERE item."status" IN ('corrected', 'completed')))::int AS fixed,
            (count(*) FILTER (WHERE item."ragApplied"))::int AS with_excerpts
        FROM "AiValidationItem" item
        LEFT JOIN "AiValidationItem" twin ON twin."id" = item."duplicateOfId"
        WHERE item."jobId" = job_id
    ) AS items
    CROSS JOIN (
        SELECT
            count(*)::int AS total,
            (count(*) FILTER (WHERE "status" IN ('done', 'failed', 'cancelled')))::int AS ended
        FROM "AiValidationTask"
        WHERE "jobId" = job_id AND "kind" = 'analyse'
    ) AS batches
    CROSS JOIN (
        SELECT count(*)::int AS retries FROM "LlmCall" WHERE "jobId" = job_id AND "isRetry"
    ) AS calls;
$$ LANGUAGE sql STABLE SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_add_task(job_id TEXT, task_kind TEXT) RETURNS VOID AS $$
    INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "createdAt")
    VALUES (medq_new_id(), job_id, task_kind, 0, 'ready', medq_now());
$$ LANGUAGE sql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_job_inserted() RETURNS TRIGGER AS $$
BEGIN
    PERFORM medq_add_task(NEW."id", 'prepare');
    PERFORM pg_notify('medq_task', NEW."id");
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_inserted_trigger
    AFTER INSERT ON "AiValidationJob"
    FOR EACH ROW
    WHEN (NEW."status" = 'queued')
    EXECUTE FUNCTION medq_job_inserted();

CREATE OR REPLACE FUNCTION medq_cancel_tasks(job_id TEXT) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'cancelled', "completedAt" = medq_now(), "leaseOwner" = NULL, "leaseExpiresAt" = NULL
    WHERE "jobId" = job_id AND "status" IN ('ready', 'running');
$$ LANGUAGE sql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_ready_tasks(task_ids TEXT[]) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'ready', "deaths" = 0, "leaseOwner" = NULL, "leaseExpiresAt" = NULL, "notBefore" = NULL,
        "errorMessage" = NULL, "startedAt" = NULL, "completedAt" = NULL
    WHERE "id" = ANY (task_ids);
$$ LANGUAGE sql SET search_path FROM CURRENT;

-- Makes ready what a job has not done, and only that. What has an outcome other than "failed" stays as it is.
CREATE OR REPLACE FUNCTION medq_resume_tasks(job_id TEXT) RETURNS VOID AS $$
DECLARE
    prepare_id TEXT;
    prepare_status TEXT;
    open_ids TEXT[];
BEGIN
    PERFORM FROM "AiValidationTask" WHERE "jobId" = job_id ORDER BY "id" FOR UPDATE;

    SELECT "id", "status" INTO prepare_id, prepare_status
    FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'prepare';
    IF prepare_id IS NULL THEN
        PERFORM medq_add_task(job_id, 'prepare');
        RETURN;
    ELSIF prepare_status <> 'done' THEN
        PERFORM medq_ready_tasks(ARRAY[prepare_id]);
        RETURN;
    END IF;

    UPDATE "AiValidationItem" item
    SET "status" = 'pending', "result" = NULL, "reason" = NULL, "questionId" = NULL, "ragApplied" = false,
        "updatedAt" = medq_now()
    WHERE item."jobId" = job_id AND (
        item."status" = 'failed'
        OR (item."status" = 'duplicate' AND EXISTS (
            SELECT FROM "AiValidationItem" twin
            WHERE twin."id" = item."duplicateOfId" AND twin."status" = 'failed')));

    SELECT array_agg(task."id") INTO open_ids
    FROM "AiValidationTask" task
    WHERE task."jobId" = job_id AND task."kind" = 'analyse' AND EXISTS (
        SELECT FROM "AiValidationItem" item WHERE item."taskId" = task."id" AND item."status" = 'pending');
    PERFORM medq_ready_tasks(open_ids);

    DELETE FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'finish';
    IF open_ids IS NULL THEN
        PERFORM medq_add_task(job_id, 'finish');
    END IF;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_cancelled_message(processed INTEGER, total INTEGER) RETURNS TEXT AS $$
    SELECT format(
        CASE WHEN processed < 2 THEN 'Annulé : %s question traitée sur %s.'
             ELSE 'Annulé : %s questions traitées sur %s.' END,
        processed, total);
$$ LANGUAGE sql IMMUTABLE;

CREATE OR REPLACE FUNCTION medq_job_status_changed() RETURNS TRIGGER AS $$
BEGIN
    IF NOT (
        (OLD."status" = 'queued' AND NEW."status" IN ('processing', 'failed', 'cancelled'))
        OR (OLD."status" = 'processing' AND NEW."status" IN ('completed', 'failed', 'cancelled'))
        OR (OLD."status" IN ('completed', 'failed', 'cancelled') AND NEW."status" = 'queued')
    ) THEN
        RAISE EXCEPTION 'A job cannot go from "%" to "%"', OLD."status", NEW."status"
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'status';
    END IF;

    IF NEW."status" = 'cancelled' THEN
        PERFORM medq_cancel_tasks(OLD."id");
        NEW."completedAt" = medq_now();
        NEW."updatedAt" = medq_now();
        NEW."message" = medq_cancelled_message(coalesce(OLD."processedItems", 0), coalesce(OLD."totalItems", 0));
    ELSIF NEW."status" = 'queued' THEN
        PERFORM medq_resume_tasks(OLD."id");
        SELECT * INTO NEW."totalItems", NEW."processedItems", NEW."successfulAnalyses", NEW."failedAnalyses",
            NEW."fixedCount", NEW."ragAppliedCount", NEW."retryAttempts", NEW."totalBatches", NEW."currentBatch"
        FROM medq_job_figures(OLD."id");
        NEW."progress" = 0;
        NEW."errorMessage" = NULL;
        NEW."outputUrl" = NULL;
        NEW."startedAt" = NULL;
        NEW."completedAt" = NULL;
        NEW."updatedAt" = medq_now();
        NEW."message" = 'En file d’attente pour une reprise.';
        PERFORM pg_notify('medq_task', OLD."id");
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_status_trigger
    BEFORE UPDATE OF "status" ON "AiValidationJob"
    FOR EACH ROW
    WHEN (OLD."status" IS DISTINCT FROM NEW."status")
    EXECUTE FUNCTION medq_job_status_changed();

-- Jobs that were already waiting when these triggers arrived.
SELECT medq_add_task(job."id", 'prepare')
FROM "AiValidationJob" job
WHERE job."status" = 'queued' AND NOT EXISTS (SELECT FROM "AiValidationTask" task WHERE task."jobId" = job."id");

-- Jobs of before: the platform's, until they are queued again or, waiting, begun by a worker.
INSERT INTO medq_adopted ("kind", "table", "name") SELECT 'job', 'AiValidationJob', "id" FROM "AiValidationJob"
ON CONFLICT DO NOTHING;
