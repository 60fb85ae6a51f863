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
                WHERE medq_is_success(item."status")
                    OR (item."status" = 'duplicate' AND (
                        item."duplicateOfId" IS NULL
                        OR medq_is_success(twin."status")))))::int AS successful,
            (count(*) FILTER (
                WHERE item."status" IN ('rejected', 'failed')
                    OR (item."status" = 'duplicate' AND twin."status" IN ('rejected', 'failed'))))::int AS failed,
            (count(*) FILTER (WHERE medq_is_fix(item."status")))::int AS fixed,
            (count(*) FILTER (WHERE item."ragApplied"))::int AS with_excerpts
        FROM "AiValidationItem" item
        LEFT JOIN "AiValidationItem" twin ON twin."id" = item."duplicateOfId"
        WHERE item."jobId" = job_id
    ) AS items
    CROSS JOIN (
        SELECT
            count(*)::int AS total,
            (count(*) FILTER (WHERE medq_task_is_done("status")))::int AS ended
        FROM "AiValidationTask"
        WHERE "jobId" = job_id AND "kind" = 'analyse'
    ) AS batches
    CROSS JOIN (
        SELECT count(*)::int AS retries FROM "LlmCall" WHERE "jobId" = job_id AND "isRetry"
    ) AS calls;
$$ LANGUAGE sql STABLE SET search_path FROM CURRENT;
