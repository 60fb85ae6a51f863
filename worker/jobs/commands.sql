-- What an operator may ask of a job: stop it, run it again. The row's triggers do the work; any client could ask so.

-- name: cancel_job
-- Conditions stand in the statement, so that asking twice, or while a worker finishes the job, changes nothing.
UPDATE "AiValidationJob" SET "status" = 'cancelled', "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND medq_job_is_open("status");

-- name: retry_job
-- Set a job to work again: one that failed or was cancelled, or that has failed rows.
UPDATE "AiValidationJob" SET "status" = 'queued', "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND ("status" IN ('failed', 'cancelled') OR ("status" = 'completed' AND "failedAnalyses" > 0)
    -- One that predates this worker, and that nobody works on any more.
    OR ("status" = 'processing' AND EXISTS (SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = :id)));
