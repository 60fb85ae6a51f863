-- A scrape asks for the calls and task runs that ended in the last minutes. They lie together at the end of their
-- tables: an index of page ranges finds them in a few kilobytes, and costs a write next to nothing.

CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmCall_completedAt_idx"
    ON "LlmCall" USING brin ("completedAt") WITH (autosummarize = on)
    WHERE "completedAt" IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationTask_completedAt_idx"
    ON "AiValidationTask" USING brin ("completedAt") WITH (autosummarize = on)
    WHERE "completedAt" IS NOT NULL;
