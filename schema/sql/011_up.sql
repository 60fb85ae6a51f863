-- Batch mode: calls that wait for the provider's Batch API, and the tasks that wait for those calls.

CREATE TABLE IF NOT EXISTS "LlmBatch" (
    "id" TEXT NOT NULL,
    "jobId" TEXT,
    "endpoint" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'waiting',
    -- The fence: raised by every worker that takes the batch in hand, until "nextLookAt".
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "nextLookAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "providerBatchId" TEXT,
    "inputFileId" TEXT,
    "outputFileId" TEXT,
    "errorFileId" TEXT,
    "requestCount" INTEGER NOT NULL,
    "answeredCount" INTEGER NOT NULL DEFAULT 0,
    "downloads" INTEGER NOT NULL DEFAULT 0,
    "error" JSONB,
    "downSince" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "submittedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3),
    "cancelledAt" TIMESTAMP(3),
    "completedAt" TIMESTAMP(3),
    CONSTRAINT "LlmBatch_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "LlmBatch_status_check"
        CHECK ("status" IN ('waiting', 'submitted', 'completed', 'expired', 'failed', 'cancelled'))
);
CREATE INDEX IF NOT EXISTS "LlmBatch_jobId_idx" ON "LlmBatch"("jobId");
CREATE INDEX IF NOT EXISTS "LlmBatch_open_idx" ON "LlmBatch"("nextLookAt")
    WHERE "status" IN ('waiting', 'submitted');
-- What is under way at the provider is paid for, whatever becomes of the job.
ALTER TABLE "LlmBatch" ADD CONSTRAINT "LlmBatch_jobId_fkey"
    FOREIGN KEY ("jobId") REFERENCES "AiValidationJob"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "LlmBatch" VALIDATE CONSTRAINT "LlmBatch_jobId_fkey";

-- A call waits from its intent until its line came back; "request" is the body to send, dropped when it did.
ALTER TABLE "LlmCall"
    ADD COLUMN IF NOT EXISTS "batchId" TEXT,
    ADD COLUMN IF NOT EXISTS "request" TEXT,
    DROP CONSTRAINT IF EXISTS "LlmCall_status_check",
    ADD CONSTRAINT "LlmCall_status_check"
        CHECK ("status" IN ('waiting', 'started', 'succeeded', 'failed')) NOT VALID;
ALTER TABLE "LlmCall" VALIDATE CONSTRAINT "LlmCall_status_check";
CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmCall_batchId_idx" ON "LlmCall"("batchId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmCall_uncollected_idx" ON "LlmCall"("jobId")
    WHERE "status" = 'waiting' AND "batchId" IS NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmCall_waiting_idx" ON "LlmCall" USING gin ("questionKeys")
    WHERE "status" = 'waiting';
ALTER TABLE "LlmCall" ADD CONSTRAINT "LlmCall_batchId_fkey"
    FOREIGN KEY ("batchId") REFERENCES "LlmBatch"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "LlmCall" VALIDATE CONSTRAINT "LlmCall_batchId_fkey";

-- A parked task: nobody's, and not claimed, until none of the calls in "waitsFor" waits any more.
ALTER TABLE "AiValidationTask"
    ADD COLUMN IF NOT EXISTS "waitsFor" TEXT[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT IF EXISTS "AiValidationTask_status_check",
    ADD CONSTRAINT "AiValidationTask_status_check"
        CHECK ("status" IN ('ready', 'running', 'waiting', 'done', 'failed', 'cancelled')) NOT VALID;
ALTER TABLE "AiValidationTask" VALIDATE CONSTRAINT "AiValidationTask_status_check";
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationTask_waiting_idx" ON "AiValidationTask"("jobId")
    WHERE "status" = 'waiting';

CREATE OR REPLACE FUNCTION medq_cancel_tasks(job_id TEXT) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'cancelled', "completedAt" = medq_now(), "leaseOwner" = NULL, "leaseExpiresAt" = NULL
    WHERE "jobId" = job_id AND "status" IN ('ready', 'running', 'waiting');
$$ LANGUAGE sql SET search_path FROM CURRENT;
