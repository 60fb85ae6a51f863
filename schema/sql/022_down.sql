-- Everything back where older workers look for it, and the functions as they were.
DROP TRIGGER IF EXISTS medq_call_costs_trigger ON "LlmCall";
DROP FUNCTION IF EXISTS medq_call_costs();

CREATE OR REPLACE FUNCTION medq_cancel_tasks(job_id TEXT) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'cancelled', "completedAt" = medq_now(), "leaseOwner" = NULL, "leaseExpiresAt" = NULL
    WHERE "jobId" = job_id AND "status" IN ('ready', 'running', 'waiting');
$$ LANGUAGE sql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_items_deleted() RETURNS TRIGGER AS $$
BEGIN
    INSERT INTO "AiValidationProvenance" AS p ("id", "contentHash", "questionId", "status", "official", "value",
                                               "textHash", "hasText", "createdAt")
    SELECT DISTINCT ON (told.id) told.*
    FROM (
        SELECT md5(pg_catalog.jsonb_build_array(fact."contentHash", fact."questionId", fact."status", fact.official,
                                                fact.value, fact."textHash", fact.has_text)::text) AS id, fact.*
        FROM (
            SELECT i."contentHash", i."questionId", i."status",
                   COALESCE(i."question" ->> 'official_key'::text,
                            i."question" ->> 'official_answer'::text) AS official,
                   COALESCE(i."result" ->> 'key'::text, i."result" ->> 'answer'::text) AS value,
                   i."textHash",
                   i."question" ->> 'explanation'::text IS NOT NULL
                       OR COALESCE(i."question" -> 'option_explanations'::text, '{}') <> '{}'::jsonb AS has_text,
                   i."createdAt" AS created_at
            FROM removed i
            WHERE i."contentHash" IS NOT NULL AND i."question" IS NOT NULL
              AND i."status" IN ('confirmed', 'contested', 'corrected', 'completed')
        ) fact
    ) told
    ORDER BY told.id, told.created_at DESC
    ON CONFLICT ("id") DO UPDATE SET "createdAt" = GREATEST(p."createdAt", EXCLUDED."createdAt");
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_job_begins() RETURNS TRIGGER AS $$
BEGIN
    IF NEW."status" IN ('completed', 'failed', 'cancelled') THEN
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
            (count(*) FILTER (WHERE "status" IN ('done', 'failed')))::int AS ended
        FROM "AiValidationTask"
        WHERE "jobId" = job_id AND "kind" = 'analyse'
    ) AS batches
    CROSS JOIN (
        SELECT count(*)::int AS retries FROM "LlmCall" WHERE "jobId" = job_id AND "isRetry"
    ) AS calls;
$$ LANGUAGE sql STABLE SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_job_status_changed() RETURNS TRIGGER AS $$
DECLARE
    -- A job of before this project came: whoever began it may end it, until it is queued again.
    is_adopted BOOLEAN := EXISTS (SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = OLD."id");
BEGIN
    IF NOT (
        (is_adopted AND OLD."status" <> 'queued')
        OR (OLD."status" IN ('queued', 'processing') AND NEW."status" = 'cancelled')
        OR (OLD."status" IN ('completed', 'failed', 'cancelled') AND NEW."status" = 'queued')
        OR (medq_is_worker() AND (
            (OLD."status" = 'queued' AND NEW."status" IN ('processing', 'failed'))
            -- Back to the queue: what somebody left without a task.
            OR (OLD."status" = 'processing' AND NEW."status" IN ('completed', 'failed', 'queued'))))
    ) THEN
        RAISE EXCEPTION 'A job cannot go from "%" to "%"%', OLD."status", NEW."status",
            CASE WHEN OLD."status" IN ('completed', 'failed', 'cancelled') THEN
                     ': it has ended. Set "queued" to run again what is not done.'
                 WHEN NEW."status" = 'queued' THEN ': it is being worked on. Set "cancelled" first, then "queued".'
                 ELSE ' by hand: the worker does that. Set "cancelled" to stop it.' END
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'status';
    END IF;

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

CREATE OR REPLACE FUNCTION medq_mend_job(job_id TEXT) RETURNS BOOLEAN AS $$
DECLARE
    job_status TEXT = (SELECT "status" FROM "AiValidationJob" WHERE "id" = job_id);
BEGIN
    IF job_status NOT IN ('queued', 'processing') OR EXISTS (
        SELECT FROM "AiValidationTask" WHERE "jobId" = job_id AND "status" IN ('ready', 'running', 'waiting')) THEN
        RETURN false;
    END IF;
    PERFORM medq_by_worker();
    IF job_status = 'processing' AND (
        EXISTS (SELECT FROM "AiValidationItem" WHERE "jobId" = job_id AND "status" = 'pending')
        OR NOT EXISTS (SELECT FROM "AiValidationTask"
                       WHERE "jobId" = job_id AND "kind" = 'prepare' AND "status" = 'done')) THEN
        -- Another run, from the figures that its rows give.
        UPDATE "AiValidationJob" SET "status" = 'queued' WHERE "id" = job_id;
    ELSE
        PERFORM medq_give_tasks(job_id);
        PERFORM pg_notify('medq_task', job_id);
    END IF;
    RETURN true;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

DROP FUNCTION IF EXISTS medq_batch_is_open(TEXT), medq_call_is_open(TEXT), medq_is_fix(TEXT), medq_is_success(TEXT),
    medq_job_is_open(TEXT), medq_progress_percent(INTEGER, INTEGER), medq_ready_finish(TEXT),
    medq_task_is_done(TEXT), medq_task_is_open(TEXT);

CREATE OR REPLACE VIEW "LlmDailyTotal" AS
SELECT "day", "model", "purpose", "endpoint", "status", "code", sum("calls")::bigint AS "calls",
       sum("retries")::bigint AS "retries", sum("batchCalls")::bigint AS "batchCalls",
       sum("questions")::bigint AS "questions", sum("promptTokens")::bigint AS "promptTokens",
       sum("cachedTokens")::bigint AS "cachedTokens", sum("completionTokens")::bigint AS "completionTokens",
       sum("costUsd") AS "costUsd", sum("batchCostUsd") AS "batchCostUsd"
FROM (
    SELECT * FROM "LlmTotal"
    UNION ALL
    SELECT c."createdAt"::date, c."model", c."purpose", c."endpoint", c."status", COALESCE(c."error" ->> 'code', ''),
           count(*), count(*) FILTER (WHERE c."isRetry"), count(c."batchId"), sum(c."questionCount"),
           COALESCE(sum(c."promptTokens"), 0), COALESCE(sum(c."cachedTokens"), 0),
           COALESCE(sum(c."completionTokens"), 0),
           -- A call under way holds the most it can cost, which nobody has paid yet.
           sum(c."costUsd") FILTER (WHERE c."status" IN ('succeeded', 'failed')),
           sum(c."costUsd") FILTER (WHERE c."status" IN ('succeeded', 'failed') AND c."batchId" IS NOT NULL)
    FROM "LlmCall" c GROUP BY 1, 2, 3, 4, 5, 6
) parts
GROUP BY 1, 2, 3, 4, 5, 6;

UPDATE "AiValidationTask" t
SET "notBefore" = p."until", "errorMessage" = p."message"
FROM "AiValidationPause" p
WHERE t."jobId" = p."jobId" AND t."kind" = 'prepare' AND p."reason" <> 'storage';
UPDATE "AiValidationTask" t
SET "result" = jsonb_build_object('storageAway', jsonb_build_array(
    extract(epoch FROM p."since" AT TIME ZONE 'UTC')::float8, extract(epoch FROM p."until" AT TIME ZONE 'UTC')::float8))
FROM "AiValidationPause" p
WHERE t."jobId" = p."jobId" AND t."status" IN ('ready', 'running') AND t."result" IS NULL AND p."reason" = 'storage';
DROP TABLE "AiValidationPause";

UPDATE "LlmCall" SET "costUsd" = "ceilingUsd" WHERE "status" IN ('waiting', 'started');
ALTER TABLE "LlmCall" DROP "ceilingUsd";

UPDATE "LlmBatch" SET "status" = 'submitted',
    "error" = '{"kind": "unavailable", "code": "begun_again", "message": "An earlier try may have begun it too."}'
WHERE "status" = 'resubmitted';
ALTER TABLE "LlmBatch" DROP CONSTRAINT "LlmBatch_status_check";
ALTER TABLE "LlmBatch" ADD CONSTRAINT "LlmBatch_status_check"
    CHECK ("status" IN ('waiting', 'submitted', 'completed', 'expired', 'failed', 'cancelled'));
DROP INDEX "LlmBatch_open_idx";
CREATE INDEX "LlmBatch_open_idx" ON "LlmBatch"("nextLookAt")
    WHERE "status" IN ('waiting', 'submitted');
