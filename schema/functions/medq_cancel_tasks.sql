-- Cancels what a job has not ended.

CREATE OR REPLACE FUNCTION medq_cancel_tasks(job_id TEXT) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'cancelled', "completedAt" = medq_now(), "leaseOwner" = NULL, "leaseExpiresAt" = NULL
    WHERE "jobId" = job_id AND medq_task_is_open("status");
$$ LANGUAGE sql SET search_path FROM CURRENT;
