-- Gives an open job without an open task what it lacks; whether it lacked any. Its row must be locked by the caller,
-- who needs no right to remove tasks: it runs with its owner's.

CREATE OR REPLACE FUNCTION medq_mend_job(job_id TEXT) RETURNS BOOLEAN AS $$
DECLARE
    job_status TEXT = (SELECT "status" FROM "AiValidationJob" WHERE "id" = job_id);
BEGIN
    IF NOT medq_job_is_open(job_status) OR EXISTS (
        SELECT FROM "AiValidationTask" WHERE "jobId" = job_id AND medq_task_is_open("status")) THEN
        RETURN false;
    END IF;
    PERFORM medq_by_worker();
    IF job_status = 'processing' AND (
        EXISTS (SELECT FROM "AiValidationItem" WHERE "jobId" = job_id AND "status" = 'pending')
        OR NOT EXISTS (SELECT FROM "AiValidationTask"
                       WHERE "jobId" = job_id AND "kind" = 'prepare' AND "status" = 'done')) THEN
        -- Another run, from the figures that its rows give.
        UPDATE "AiValidationJob" SET "status" = 'queued' WHERE "id" = job_id;
    ELSE
        PERFORM medq_give_tasks(job_id);
        PERFORM pg_notify('medq_task', job_id);
    END IF;
    RETURN true;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;
