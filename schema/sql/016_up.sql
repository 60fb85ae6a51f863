-- What outlives the rows that are removed: the totals of their calls, whose a key was, and where their files lie.

-- Of calls whose rows are gone; those that are there are counted as they stand: see the view.
CREATE TABLE IF NOT EXISTS "LlmTotal" (
    "day" DATE NOT NULL,
    "model" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "endpoint" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    -- Why there is no reply; empty where there is one.
    "code" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "retries" BIGINT NOT NULL,
    "batchCalls" BIGINT NOT NULL,
    "questions" BIGINT NOT NULL,
    "promptTokens" BIGINT NOT NULL,
    "cachedTokens" BIGINT NOT NULL,
    "completionTokens" BIGINT NOT NULL,
    -- NULL where no price was known.
    "costUsd" DECIMAL(18,6),
    "batchCostUsd" DECIMAL(18,6),
    CONSTRAINT "LlmTotal_pkey" PRIMARY KEY ("day", "model", "purpose", "endpoint", "status", "code")
);

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

-- Whose words a question's key and explanation are, of rows that were removed with their job. Each fact once.
CREATE TABLE IF NOT EXISTS "AiValidationProvenance" (
    "id" TEXT NOT NULL,
    "contentHash" TEXT NOT NULL,
    "questionId" TEXT,
    "status" TEXT NOT NULL,
    -- What the file gave, and what the analysis put in the place of none, or of that.
    "official" TEXT,
    "value" TEXT,
    "textHash" TEXT,
    "hasText" BOOLEAN NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "AiValidationProvenance_pkey" PRIMARY KEY ("id")
);
CREATE INDEX IF NOT EXISTS "AiValidationProvenance_contentHash_idx"
    ON "AiValidationProvenance"("contentHash");
CREATE INDEX IF NOT EXISTS "AiValidationProvenance_questionId_idx" ON "AiValidationProvenance"("questionId");
CREATE INDEX IF NOT EXISTS "AiValidationProvenance_textHash_idx" ON "AiValidationProvenance"("textHash");

-- A job whose row is gone and whose files are not yet.
CREATE TABLE IF NOT EXISTS "AiValidationTombstone" (
    "jobId" TEXT NOT NULL,
    "fileUrl" TEXT,
    "outputUrl" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "AiValidationTombstone_pkey" PRIMARY KEY ("jobId")
);
