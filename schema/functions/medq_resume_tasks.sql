-- Makes ready what a job has not done, and only that. What has an outcome other than "failed" stays as it is.

CREATE OR REPLACE FUNCTION medq_resume_tasks(job_id TEXT) RETURNS VOID AS $$
DECLARE
    prepare_id TEXT;
    prepare_status TEXT;
    open_ids TEXT[];
BEGIN
    PERFORM FROM "AiValidationTask" WHERE "jobId" = job_id ORDER BY "id" FOR UPDATE;

    SELECT "id", "status" INTO prepare_id, prepare_status
    FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'prepare';
    IF prepare_id IS NULL THEN
        PERFORM medq_add_task(job_id, 'prepare');
        RETURN;
    ELSIF prepare_status <> 'done' THEN
        PERFORM medq_ready_tasks(ARRAY[prepare_id]);
        RETURN;
    END IF;

    UPDATE "AiValidationItem" item
    SET "status" = 'pending', "result" = NULL, "reason" = NULL, "questionId" = NULL, "ragApplied" = false,
        "updatedAt" = medq_now()
    WHERE item."jobId" = job_id AND (
        item."status" = 'failed'
        OR (item."status" = 'duplicate' AND EXISTS (
            SELECT FROM "AiValidationItem" twin
            WHERE twin."id" = item."duplicateOfId" AND twin."status" = 'failed')));

    SELECT array_agg(task."id") INTO open_ids
    FROM "AiValidationTask" task
    WHERE task."jobId" = job_id AND task."kind" = 'analyse' AND EXISTS (
        SELECT FROM "AiValidationItem" item WHERE item."taskId" = task."id" AND item."status" = 'pending');
    PERFORM medq_ready_tasks(open_ids);

    DELETE FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'finish';
    IF open_ids IS NULL THEN
        PERFORM medq_add_task(job_id, 'finish');
    END IF;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;
