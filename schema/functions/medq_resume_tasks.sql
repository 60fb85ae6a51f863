-- Makes ready what a job has not done, and only that. What has an outcome other than "failed" stays as it is.

CREATE OR REPLACE FUNCTION medq_resume_tasks(job_id TEXT) RETURNS VOID AS $$
BEGIN
    PERFORM FROM "AiValidationTask" WHERE "jobId" = job_id ORDER BY "id" FOR UPDATE;
    UPDATE "AiValidationItem" item
    SET "status" = 'pending', "result" = NULL, "reason" = NULL, "questionId" = NULL, "ragApplied" = false,
        "updatedAt" = medq_now()
    WHERE item."jobId" = job_id AND (
        item."status" = 'failed'
        OR (item."status" = 'duplicate' AND EXISTS (
            SELECT FROM "AiValidationItem" twin
            WHERE twin."id" = item."duplicateOfId" AND twin."status" = 'failed')));
    PERFORM medq_give_tasks(job_id);
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;
