-- A task that waited asks directly from now on. What a provider's batch still answers is lost to the older workers.
CREATE OR REPLACE FUNCTION medq_cancel_tasks(job_id TEXT) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'cancelled', "completedAt" = medq_now(), "leaseOwner" = NULL, "leaseExpiresAt" = NULL
    WHERE "jobId" = job_id AND "status" IN ('ready', 'running');
$$ LANGUAGE sql SET search_path FROM CURRENT;

UPDATE "AiValidationTask" SET "status" = 'ready' WHERE "status" = 'waiting';
DROP INDEX "AiValidationTask_waiting_idx";
ALTER TABLE "AiValidationTask" DROP CONSTRAINT "AiValidationTask_status_check";
ALTER TABLE "AiValidationTask" ADD CONSTRAINT "AiValidationTask_status_check"
    CHECK ("status" IN ('ready', 'running', 'done', 'failed', 'cancelled'));
ALTER TABLE "AiValidationTask" DROP "waitsFor";

UPDATE "LlmCall" SET "status" = 'failed', "completedAt" = medq_now(),
    "error" = '{"kind": "unknown", "code": "unknown", "message": "The batch is no longer looked after."}'
WHERE "status" = 'waiting';
DROP INDEX "LlmCall_waiting_idx";
DROP INDEX "LlmCall_uncollected_idx";
DROP INDEX "LlmCall_batchId_idx";
ALTER TABLE "LlmCall" DROP CONSTRAINT "LlmCall_status_check";
ALTER TABLE "LlmCall" ADD CONSTRAINT "LlmCall_status_check" CHECK ("status" IN ('started', 'succeeded', 'failed'));
ALTER TABLE "LlmCall" DROP CONSTRAINT "LlmCall_batchId_fkey";
ALTER TABLE "LlmCall" DROP "request";
ALTER TABLE "LlmCall" DROP "batchId";
DROP TABLE "LlmBatch";
