-- The worker's own tables: what a job is cut into, what each row of a file came to, and what was paid for it.

CREATE TABLE IF NOT EXISTS "AiValidationTask" (
    "id" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'ready',
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "deaths" INTEGER NOT NULL DEFAULT 0,
    "leaseOwner" TEXT,
    "leaseExpiresAt" TIMESTAMP(3),
    "notBefore" TIMESTAMP(3),
    "errorMessage" TEXT,
    "result" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMP(3),
    "completedAt" TIMESTAMP(3),
    CONSTRAINT "AiValidationTask_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "AiValidationTask_kind_check" CHECK ("kind" IN ('prepare', 'analyse', 'finish')),
    CONSTRAINT "AiValidationTask_status_check"
        CHECK ("status" IN ('ready', 'running', 'done', 'failed', 'cancelled')),
    -- A lease is held by a running task, and by no other.
    CONSTRAINT "AiValidationTask_lease_check" CHECK (
        ("status" = 'running') = ("leaseOwner" IS NOT NULL)
        AND ("status" = 'running') = ("leaseExpiresAt" IS NOT NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS "AiValidationTask_jobId_kind_position_key"
    ON "AiValidationTask"("jobId", "kind", "position");
-- For the claim, the sweep of expired leases, and the count of what each job has running.
CREATE INDEX IF NOT EXISTS "AiValidationTask_ready_idx" ON "AiValidationTask"("jobId", "position")
    WHERE "status" = 'ready';
CREATE INDEX IF NOT EXISTS "AiValidationTask_lease_idx" ON "AiValidationTask"("leaseExpiresAt")
    WHERE "status" = 'running';
CREATE INDEX IF NOT EXISTS "AiValidationTask_running_idx" ON "AiValidationTask"("jobId")
    WHERE "status" = 'running';

CREATE TABLE IF NOT EXISTS "AiValidationItem" (
    "id" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "taskId" TEXT,
    "sheet" TEXT NOT NULL,
    "rowNumber" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "original" JSONB NOT NULL,
    "question" JSONB,
    "contentHash" TEXT,
    "duplicateOfId" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "result" JSONB,
    "reason" TEXT,
    "findings" JSONB NOT NULL DEFAULT '[]',
    "ragApplied" BOOLEAN NOT NULL DEFAULT false,
    "questionId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "AiValidationItem_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "AiValidationItem_type_check" CHECK ("type" IN ('qcm', 'qroc', 'cas_qcm', 'cas_qroc')),
    CONSTRAINT "AiValidationItem_status_check" CHECK ("status" IN (
        'pending', 'confirmed', 'corrected', 'completed', 'contested', 'duplicate', 'rejected', 'failed'))
);
CREATE UNIQUE INDEX IF NOT EXISTS "AiValidationItem_jobId_sheet_rowNumber_key"
    ON "AiValidationItem"("jobId", "sheet", "rowNumber");
CREATE INDEX IF NOT EXISTS "AiValidationItem_jobId_position_idx" ON "AiValidationItem"("jobId", "position");
CREATE INDEX IF NOT EXISTS "AiValidationItem_taskId_idx" ON "AiValidationItem"("taskId");
CREATE INDEX IF NOT EXISTS "AiValidationItem_questionId_idx" ON "AiValidationItem"("questionId");
CREATE INDEX IF NOT EXISTS "AiValidationItem_duplicateOfId_idx" ON "AiValidationItem"("duplicateOfId")
    WHERE "duplicateOfId" IS NOT NULL;

CREATE TABLE IF NOT EXISTS "LlmCall" (
    "id" TEXT NOT NULL,
    "jobId" TEXT,
    "taskId" TEXT,
    "attempt" INTEGER NOT NULL,
    "purpose" TEXT NOT NULL,
    "requestHash" TEXT NOT NULL,
    "questionKeys" TEXT[] NOT NULL DEFAULT '{}',
    "model" TEXT NOT NULL,
    "endpoint" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "isRetry" BOOLEAN NOT NULL DEFAULT false,
    "questionCount" INTEGER NOT NULL,
    "promptTokens" INTEGER,
    "cachedTokens" INTEGER,
    "completionTokens" INTEGER,
    "costUsd" DECIMAL(12,6),
    "providerRequestId" TEXT,
    -- Text, for jsonb refuses the escape \u0000 that a model may write.
    "response" TEXT,
    "error" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completedAt" TIMESTAMP(3),
    CONSTRAINT "LlmCall_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "LlmCall_purpose_check" CHECK ("purpose" IN ('analyse', 'second_look')),
    CONSTRAINT "LlmCall_status_check" CHECK ("status" IN ('started', 'succeeded', 'failed'))
);
CREATE INDEX IF NOT EXISTS "LlmCall_jobId_idx" ON "LlmCall"("jobId");
CREATE INDEX IF NOT EXISTS "LlmCall_taskId_idx" ON "LlmCall"("taskId");
CREATE INDEX IF NOT EXISTS "LlmCall_requestHash_idx" ON "LlmCall"("requestHash");
CREATE INDEX IF NOT EXISTS "LlmCall_questionKeys_idx" ON "LlmCall" USING gin ("questionKeys")
    WHERE "status" = 'succeeded';
CREATE INDEX IF NOT EXISTS "LlmCall_retry_idx" ON "LlmCall"("jobId") WHERE "isRetry";

-- A key into a table that is in use locks it against writers: each alone, and for no longer than it takes to write it
-- down. A call outlives its job and its task: what was paid stays on the books.
ALTER TABLE "AiValidationTask" ADD CONSTRAINT "AiValidationTask_jobId_fkey"
    FOREIGN KEY ("jobId") REFERENCES "AiValidationJob"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationItem" ADD CONSTRAINT "AiValidationItem_jobId_fkey"
    FOREIGN KEY ("jobId") REFERENCES "AiValidationJob"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationItem" ADD CONSTRAINT "AiValidationItem_taskId_fkey"
    FOREIGN KEY ("taskId") REFERENCES "AiValidationTask"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationItem" ADD CONSTRAINT "AiValidationItem_duplicateOfId_fkey"
    FOREIGN KEY ("duplicateOfId") REFERENCES "AiValidationItem"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationItem" ADD CONSTRAINT "AiValidationItem_questionId_fkey"
    FOREIGN KEY ("questionId") REFERENCES "Question"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "LlmCall" ADD CONSTRAINT "LlmCall_jobId_fkey"
    FOREIGN KEY ("jobId") REFERENCES "AiValidationJob"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "LlmCall" ADD CONSTRAINT "LlmCall_taskId_fkey"
    FOREIGN KEY ("taskId") REFERENCES "AiValidationTask"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationTask" VALIDATE CONSTRAINT "AiValidationTask_jobId_fkey";
ALTER TABLE "AiValidationItem" VALIDATE CONSTRAINT "AiValidationItem_jobId_fkey";
ALTER TABLE "AiValidationItem" VALIDATE CONSTRAINT "AiValidationItem_taskId_fkey";
ALTER TABLE "AiValidationItem" VALIDATE CONSTRAINT "AiValidationItem_duplicateOfId_fkey";
ALTER TABLE "AiValidationItem" VALIDATE CONSTRAINT "AiValidationItem_questionId_fkey";
ALTER TABLE "LlmCall" VALIDATE CONSTRAINT "LlmCall_jobId_fkey";
ALTER TABLE "LlmCall" VALIDATE CONSTRAINT "LlmCall_taskId_fkey";
