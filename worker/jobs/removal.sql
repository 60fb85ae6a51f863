-- Takes old or unwanted jobs out of the database whole, and keeps what outlives them: totals, decisions, provenance.

-- name: find_cut_off
-- The moment before which everything is old.
SELECT (timezone('UTC', clock_timestamp()) - make_interval(days => :days))::timestamp(3);

-- name: find_old_jobs
-- Jobs that ended, and that nobody did anything about since. `infinity` is no time ago.
SELECT j."id" FROM "AiValidationJob" j WHERE NOT medq_job_is_open(j."status")
    AND GREATEST(j."createdAt", j."updatedAt", j."completedAt") < CAST(:before AS timestamp)
ORDER BY j."createdAt", j."id";

-- name: remove_calls_of_job
-- The calls of a job that are over: removed, and what they came to added to the totals at once. Only those from before
-- a moment, or all. Without `with_replies`, replies stay on which a stored question rests: those that its batch was
-- given, and one that explained it alone.
WITH gone AS (
    DELETE FROM "LlmCall" c
    WHERE c."jobId" = :job_id AND NOT medq_call_is_open(c."status")
      AND (CAST(:before AS timestamp) IS NULL OR c."createdAt" < CAST(:before AS timestamp))
      AND (CAST(:with_replies AS boolean) OR NOT (c."status" = 'succeeded' AND (c."taskId" IS NULL OR EXISTS (
          SELECT FROM "AiValidationItem" i
          JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
          WHERE i."taskId" = c."taskId"))))
    RETURNING c."createdAt", c."model", c."purpose", c."endpoint", c."status", c."error", c."isRetry", c."batchId",
        c."questionCount", c."promptTokens", c."cachedTokens", c."completionTokens", c."costUsd"
), booked AS (
    INSERT INTO "LlmTotal" AS t ("day", "model", "purpose", "endpoint", "status", "code", "calls", "retries",
        "batchCalls", "questions", "promptTokens", "cachedTokens", "completionTokens", "costUsd", "batchCostUsd")
    SELECT c."createdAt"::date, c."model", c."purpose", c."endpoint", c."status", COALESCE(c."error" ->> 'code', ''),
           count(*), count(*) FILTER (WHERE c."isRetry"), count(c."batchId"), sum(c."questionCount"),
           COALESCE(sum(c."promptTokens"), 0), COALESCE(sum(c."cachedTokens"), 0),
           COALESCE(sum(c."completionTokens"), 0), sum(c."costUsd"),
           sum(c."costUsd") FILTER (WHERE c."batchId" IS NOT NULL)
    FROM gone c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ("day", "model", "purpose", "endpoint", "status", "code") DO UPDATE SET
        "calls" = t."calls" + EXCLUDED."calls", "retries" = t."retries" + EXCLUDED."retries",
        "batchCalls" = t."batchCalls" + EXCLUDED."batchCalls", "questions" = t."questions" + EXCLUDED."questions",
        "promptTokens" = t."promptTokens" + EXCLUDED."promptTokens",
        "cachedTokens" = t."cachedTokens" + EXCLUDED."cachedTokens",
        "completionTokens" = t."completionTokens" + EXCLUDED."completionTokens",
        "costUsd" = COALESCE(t."costUsd" + EXCLUDED."costUsd", t."costUsd", EXCLUDED."costUsd"),
        "batchCostUsd" = COALESCE(t."batchCostUsd" + EXCLUDED."batchCostUsd", t."batchCostUsd",
            EXCLUDED."batchCostUsd")
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: remove_unlinked_calls
-- Some of the old calls whose job was deleted before: removed, and added to the totals at once.
WITH gone AS (
    DELETE FROM "LlmCall" c
    WHERE c."id" IN (
        SELECT c."id" FROM "LlmCall" c
        WHERE c."jobId" IS NULL AND NOT medq_call_is_open(c."status") AND c."createdAt" < CAST(:before AS timestamp)
        LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING c."createdAt", c."model", c."purpose", c."endpoint", c."status", c."error", c."isRetry", c."batchId",
        c."questionCount", c."promptTokens", c."cachedTokens", c."completionTokens", c."costUsd"
), booked AS (
    INSERT INTO "LlmTotal" AS t ("day", "model", "purpose", "endpoint", "status", "code", "calls", "retries",
        "batchCalls", "questions", "promptTokens", "cachedTokens", "completionTokens", "costUsd", "batchCostUsd")
    SELECT c."createdAt"::date, c."model", c."purpose", c."endpoint", c."status", COALESCE(c."error" ->> 'code', ''),
           count(*), count(*) FILTER (WHERE c."isRetry"), count(c."batchId"), sum(c."questionCount"),
           COALESCE(sum(c."promptTokens"), 0), COALESCE(sum(c."cachedTokens"), 0),
           COALESCE(sum(c."completionTokens"), 0), sum(c."costUsd"),
           sum(c."costUsd") FILTER (WHERE c."batchId" IS NOT NULL)
    FROM gone c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ("day", "model", "purpose", "endpoint", "status", "code") DO UPDATE SET
        "calls" = t."calls" + EXCLUDED."calls", "retries" = t."retries" + EXCLUDED."retries",
        "batchCalls" = t."batchCalls" + EXCLUDED."batchCalls", "questions" = t."questions" + EXCLUDED."questions",
        "promptTokens" = t."promptTokens" + EXCLUDED."promptTokens",
        "cachedTokens" = t."cachedTokens" + EXCLUDED."cachedTokens",
        "completionTokens" = t."completionTokens" + EXCLUDED."completionTokens",
        "costUsd" = COALESCE(t."costUsd" + EXCLUDED."costUsd", t."costUsd", EXCLUDED."costUsd"),
        "batchCostUsd" = COALESCE(t."batchCostUsd" + EXCLUDED."batchCostUsd", t."batchCostUsd",
            EXCLUDED."batchCostUsd")
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: lock_job
-- Lock a job that is to be removed.
SELECT j."status" FROM "AiValidationJob" j WHERE j."id" = :job_id FOR UPDATE;

-- name: lock_old_job
-- Somebody may be at it, or have set it to work again since it was found.
SELECT j."status" FROM "AiValidationJob" j WHERE j."id" = :job_id AND NOT medq_job_is_open(j."status")
    AND GREATEST(j."createdAt", j."updatedAt", j."completedAt") < CAST(:before AS timestamp) FOR UPDATE SKIP LOCKED;

-- name: count_under_way
-- How many calls of the job have not come back.
SELECT count(*) FROM "LlmCall" WHERE "jobId" = :job_id AND "status" = 'started';

-- name: count_items
-- The items of a job, and those that wait for a person.
SELECT (SELECT count(*) FROM "AiValidationItem" WHERE "jobId" = :job_id),
       (SELECT count(*) FROM "AiValidationOpenItem" WHERE "jobId" = :job_id);

-- name: say_by_worker
-- Say for the rest of the transaction that it is the worker who writes.
SELECT set_config('medq.writer', 'worker', true);

-- name: remove_batches
-- Old batches of which no call is left.
DELETE FROM "LlmBatch" b WHERE NOT medq_batch_is_open(b."status") AND b."jobId" IS NULL
  AND b."createdAt" < CAST(:before AS timestamp) AND NOT EXISTS (SELECT FROM "LlmCall" c WHERE c."batchId" = b."id");

-- name: count_old
-- What would go: jobs, their items, those of them that wait for a person, calls, and calls of jobs that were deleted
-- before.
WITH old AS MATERIALIZED (SELECT j."id" FROM "AiValidationJob" j WHERE NOT medq_job_is_open(j."status")
    AND GREATEST(j."createdAt", j."updatedAt", j."completedAt") < CAST(:before AS timestamp))
SELECT (SELECT count(*) FROM old),
       (SELECT count(*) FROM "AiValidationItem" i WHERE i."jobId" IN (SELECT "id" FROM old)),
       (SELECT count(*) FROM "AiValidationOpenItem" i WHERE i."jobId" IN (SELECT "id" FROM old)),
       (SELECT count(*) FROM "LlmCall" c WHERE c."jobId" IN (SELECT "id" FROM old) AND NOT medq_call_is_open(c."status")
        AND c."createdAt" < CAST(:before AS timestamp)),
       (SELECT count(*) FROM "LlmCall" c WHERE c."jobId" IS NULL AND NOT medq_call_is_open(c."status")
           AND c."createdAt" < CAST(:before AS timestamp));

-- name: find_tombstones
-- Jobs that are gone, whose files may be there still.
SELECT t."jobId", t."fileUrl", t."outputUrl" FROM "AiValidationTombstone" t
WHERE t."createdAt" < timezone('UTC', clock_timestamp()) - make_interval(secs => :older_than_s) ORDER BY t."createdAt",
    t."jobId" LIMIT 1000;

-- name: find_tombstones_of
-- The same, of these jobs.
SELECT t."jobId", t."fileUrl", t."outputUrl" FROM "AiValidationTombstone" t WHERE t."jobId" = ANY(:job_ids);

-- name: forget_tombstone
-- Its files are gone, or the job is there again.
DELETE FROM "AiValidationTombstone" WHERE "jobId" = :job_id;

-- name: is_named
-- Whether the address of some job's upload or workbook holds this.
SELECT EXISTS (SELECT FROM "AiValidationJob"
               WHERE strpos("fileUrl", CAST(:part AS text)) > 0 OR strpos("outputUrl", CAST(:part AS text)) > 0);

-- name: find_jobs_of
-- Every job of a user, the oldest first.
SELECT j."id", j."status" FROM "AiValidationJob" j WHERE j."userId" = :user_id ORDER BY j."createdAt", j."id";

-- name: find_user
-- The user with this e-mail or id, whoever it is.
SELECT "id", "email" FROM "User" WHERE "id" = :user OR lower("email") = lower(:user);

-- name: unname_decisions
-- Take the name off what a user decided.
UPDATE "AiValidationDecision" SET "userId" = NULL WHERE "userId" = :user_id;

-- name: delete_items
-- The items of a job, before the job: the reference would write each anew first, for the task that it loses.
DELETE FROM "AiValidationItem" WHERE "jobId" = :job_id;

-- name: delete_job
-- The job, and with it its tasks.
DELETE FROM "AiValidationJob" WHERE "id" = :job_id;
