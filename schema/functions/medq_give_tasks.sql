-- Makes ready what an open job without an open task has not done, also where somebody removed tasks or rows by hand.

CREATE OR REPLACE FUNCTION medq_give_tasks(job_id TEXT) RETURNS VOID AS $$
DECLARE
    prepare_id TEXT;
    prepare_status TEXT; -- "done" once the file was read
    has_items BOOLEAN = EXISTS (SELECT FROM "AiValidationItem" WHERE "jobId" = job_id);
    has_batches BOOLEAN = EXISTS (SELECT FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'analyse');
BEGIN
    SELECT "id", CASE WHEN "result" -> 'read'::text IS NOT NULL OR has_items THEN "status" END
    INTO prepare_id, prepare_status
    FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'prepare' ORDER BY "position" LIMIT 1;

    IF prepare_id IS NULL THEN
        PERFORM medq_add_task(job_id, 'prepare');
        SELECT "id" INTO prepare_id FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'prepare';
    END IF;
    IF NOT has_items AND (has_batches OR prepare_status IS DISTINCT FROM 'done') THEN
        -- The file is to be read, or all that was read of it is gone.
        DELETE FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" <> 'prepare';
        PERFORM medq_ready_tasks(ARRAY[prepare_id]);
        RETURN;
    ELSIF prepare_status IS DISTINCT FROM 'done' THEN
        UPDATE "AiValidationTask" SET "status" = 'done', "completedAt" = medq_now() WHERE "id" = prepare_id;
    END IF;

    -- Rows whose batch is gone, five to a batch.
    WITH lost AS (
        SELECT i."id", last_batch.position + 1 + (row_number() OVER (ORDER BY i."position") - 1)::int / 5 AS position
        FROM "AiValidationItem" i
        CROSS JOIN (SELECT COALESCE(max("position"), -1) AS position
                    FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'analyse') last_batch
        WHERE i."jobId" = job_id AND i."status" = 'pending' AND i."taskId" IS NULL AND i."duplicateOfId" IS NULL
          AND i."question" IS NOT NULL
    ), made AS (
        INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position", "status", "createdAt")
        SELECT medq_new_id(), job_id, 'analyse', batch.position, 'ready', medq_now()
        FROM (SELECT DISTINCT position FROM lost) batch
        RETURNING "id", "position"
    )
    UPDATE "AiValidationItem" i SET "taskId" = made."id"
    FROM lost JOIN made ON made."position" = lost.position
    WHERE i."id" = lost."id";

    PERFORM medq_ready_tasks(ARRAY(
        SELECT task."id" FROM "AiValidationTask" task
        WHERE task."jobId" = job_id AND task."kind" = 'analyse' AND EXISTS (
            SELECT FROM "AiValidationItem" item WHERE item."taskId" = task."id" AND item."status" = 'pending')));

    DELETE FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'finish';
    IF NOT EXISTS (SELECT FROM "AiValidationTask"
                   WHERE "jobId" = job_id AND "kind" = 'analyse' AND "status" = 'ready') THEN
        PERFORM medq_add_task(job_id, 'finish');
    END IF;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;
