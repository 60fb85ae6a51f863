-- Makes a job's last task when none of its batches is open any more; whether it did. The job's row must be locked already.
-- With the rights of whoever calls it: only a worker may.

CREATE OR REPLACE FUNCTION medq_ready_finish(job_id TEXT) RETURNS BOOLEAN AS $$
BEGIN
    IF EXISTS (SELECT FROM "AiValidationTask"
               WHERE "jobId" = job_id AND "kind" = 'analyse' AND medq_task_is_open("status")) THEN
        RETURN false;
    END IF;
    INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "createdAt")
    VALUES (medq_new_id(), job_id, 'finish', 0, 'ready', medq_now())
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;
