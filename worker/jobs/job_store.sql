-- The job's row: its status, its sentences, and what its report says of it as a whole.

-- name: begin_job
-- The first task of a job sets it to work; no row where another one did.
UPDATE "AiValidationJob" SET "status" = 'processing', "startedAt" = timezone('UTC', clock_timestamp()),
    "updatedAt" = timezone('UTC', clock_timestamp()),
       "message" = CASE WHEN :kind = 'prepare' THEN 'Lecture du fichier.'
                        ELSE medq_progress_message("processedItems", "totalItems") END, "errorMessage" = NULL
WHERE "id" = :id AND "status" = 'queued' AND medq_by_worker();

-- name: fail_now
-- The job fails at once.
UPDATE "AiValidationJob" SET "status" = 'failed', "errorMessage" = :sentence, "message" = 'Échec de la tâche.',
       "completedAt" = timezone('UTC', clock_timestamp()), "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND medq_job_is_open("status");

-- name: set_cause
-- The cause waits on the row until `finish` has written the partial workbook and may say `failed`.
UPDATE "AiValidationJob" SET "errorMessage" = :sentence, "updatedAt" = timezone('UTC', clock_timestamp())
    WHERE "id" = :id;

-- name: end_abandoned
-- It predates this worker, and has not changed for an hour: whoever worked on it is gone.
UPDATE "AiValidationJob" SET "status" = 'failed', "errorMessage" = :sentence, "message" = 'Échec de la tâche.',
       "completedAt" = timezone('UTC', clock_timestamp()), "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "status" = 'processing' AND "updatedAt" < timezone('UTC', clock_timestamp()) - make_interval(secs => :untouched_s)
  AND "id" IN (SELECT "name" FROM medq_adopted WHERE "kind" = 'job')
RETURNING "id";

-- name: set_message
-- Tell the admin something about a job as it goes.
UPDATE "AiValidationJob" SET "message" = :message, "updatedAt" = timezone('UTC', clock_timestamp()) WHERE "id" = :id;

-- name: set_message_of_tasks
-- Of jobs whose rows nobody has locked: to tell is not worth a wait.
UPDATE "AiValidationJob" j SET "message" = :message, "updatedAt" = timezone('UTC', clock_timestamp())
FROM (SELECT "id" FROM "AiValidationJob"
      WHERE "id" IN (SELECT "jobId" FROM "AiValidationTask" WHERE "id" = ANY(CAST(:task_ids AS text[])))
        AND "status" = 'processing' AND "message" IS DISTINCT FROM :message
      ORDER BY "id" FOR NO KEY UPDATE SKIP LOCKED) waits
WHERE j."id" = waits."id";

-- name: read_reasons
-- The reasons that the rows of a job give: one, or two at most.
SELECT DISTINCT "reason" FROM "AiValidationItem" WHERE "jobId" = :id LIMIT 2;

-- name: close_job
-- The job has ended, as its workbook says.
UPDATE "AiValidationJob" SET "status" = :status, "outputUrl" = :output_url, "message" = :message,
       "errorMessage" = :error, "progress" = CASE WHEN :status = 'completed' THEN 100 ELSE "progress" END,
       "completedAt" = timezone('UTC', clock_timestamp()), "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND "status" = 'processing';

-- name: read_summary
-- What a job's workbook says of it as a whole.
SELECT j."originalFileName", j."status", j."errorMessage", j."instructions", j."totalItems", j."processedItems",
       j."successfulAnalyses", j."failedAnalyses", j."fixedCount", j."ragAppliedCount", j."retryAttempts",
       (SELECT t."result" FROM "AiValidationTask" t WHERE t."jobId" = j."id" AND t."kind" = 'prepare' LIMIT 1) AS notes
FROM "AiValidationJob" j WHERE j."id" = :id;

-- name: sum_spent
-- What a job's calls came to, by purpose and model. A call under way has cost nothing yet.
SELECT "purpose", "model", count(*) AS calls, COALESCE(sum("promptTokens"), 0) AS prompt_tokens,
       COALESCE(sum("cachedTokens"), 0) AS cached_tokens, COALESCE(sum("completionTokens"), 0) AS completion_tokens,
       sum("costUsd") AS cost_usd, count("batchId") AS batch_calls,
       sum("costUsd") FILTER (WHERE "batchId" IS NOT NULL) AS batch_cost_usd
FROM "LlmCall" WHERE "jobId" = :id GROUP BY "purpose", "model" ORDER BY calls DESC, "model";

-- name: find_job
-- Whether there is such a job.
SELECT 1 FROM "AiValidationJob" WHERE "id" = :id;
