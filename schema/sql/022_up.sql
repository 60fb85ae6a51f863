-- Each column says one thing. What stood in another one's place is moved by 022_moves.

-- Why nobody works on a job for a while: one row at most, which goes with the run.
CREATE TABLE IF NOT EXISTS "AiValidationPause" (
    "jobId" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    -- From when on it has met nothing but this.
    "since" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "until" TIMESTAMP(3) NOT NULL,
    -- The sentence of a refusal, for whoever is about to call meanwhile.
    "message" TEXT,
    CONSTRAINT "AiValidationPause_pkey" PRIMARY KEY ("jobId"),
    CONSTRAINT "AiValidationPause_reason_check" CHECK ("reason" IN ('provider', 'refused', 'storage'))
);
ALTER TABLE "AiValidationPause" ADD CONSTRAINT "AiValidationPause_jobId_fkey"
    FOREIGN KEY ("jobId") REFERENCES "AiValidationJob"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationPause" VALIDATE CONSTRAINT "AiValidationPause_jobId_fkey";

-- The most a call may cost, from its intent on. "costUsd" is what it did cost, and empty until it has ended.
ALTER TABLE "LlmCall" ADD COLUMN IF NOT EXISTS "ceilingUsd" DECIMAL(12,6);

-- "resubmitted": an earlier try to begin the batch may have come through as well, and has not been looked for yet.
ALTER TABLE "LlmBatch"
    DROP CONSTRAINT IF EXISTS "LlmBatch_status_check",
    ADD CONSTRAINT "LlmBatch_status_check"
        CHECK ("status" IN ('waiting', 'submitted', 'resubmitted', 'completed', 'expired', 'failed', 'cancelled'))
        NOT VALID;
ALTER TABLE "LlmBatch" VALIDATE CONSTRAINT "LlmBatch_status_check";
DROP INDEX CONCURRENTLY IF EXISTS "LlmBatch_open_idx";
CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmBatch_open_idx" ON "LlmBatch"("nextLookAt")
    WHERE "status" IN ('waiting', 'submitted', 'resubmitted');

-- A call under way has no cost yet: nothing is left out of these sums.
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
           sum(c."costUsd"), sum(c."costUsd") FILTER (WHERE c."batchId" IS NOT NULL)
    FROM "LlmCall" c GROUP BY 1, 2, 3, 4, 5, 6
) parts
GROUP BY 1, 2, 3, 4, 5, 6;
