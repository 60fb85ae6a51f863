-- Gives a job a task that is ready.

CREATE OR REPLACE FUNCTION medq_add_task(job_id TEXT, task_kind TEXT) RETURNS VOID AS $$
    INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "createdAt")
    VALUES (medq_new_id(), job_id, task_kind, 0, 'ready', medq_now());
$$ LANGUAGE sql SET search_path FROM CURRENT;
