-- Batch mode: calls that wait for a provider's batch, and the batches.
--
-- A batch is in somebody's hands until "nextLookAt", and is changed only by whoever shows its attempt and status: one
-- that was begun meanwhile by a batch submitter who lost it is no longer what this one holds. Locks are taken in the
-- order job, batch, calls, tasks.

-- name: find_waiting
-- Calls that wait for an answer to one of these questions, of any job.
SELECT "id", "questionKeys" FROM "LlmCall" WHERE "status" = 'waiting' AND "questionKeys" && CAST(:keys AS text[]);

-- name: find_newest_waiting
-- The job's call that waits and was written last.
SELECT "id" FROM "LlmCall" WHERE "jobId" = :job_id AND "status" = 'waiting' ORDER BY "createdAt" DESC, "id" LIMIT 1;

-- name: hold_waiting
-- Who ends these calls releases the tasks that wait for them: not between this look and the park.
SELECT "id" FROM "LlmCall" WHERE "id" = ANY(CAST(:ids AS text[])) AND "status" = 'waiting' ORDER BY "id" FOR SHARE;

-- name: is_any_due
-- Whether anything is to be done about batches now. Costs nothing while none is open.
SELECT EXISTS (
    SELECT 1 FROM "LlmBatch" b
    WHERE medq_batch_is_open(b."status")
      AND (b."nextLookAt" <= timezone('UTC', clock_timestamp())
           OR (b."status" <> 'waiting' AND b."cancelledAt" IS NULL AND b."downSince" IS NULL
               AND NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = b."jobId"
                               AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true')))
      AND (b."endpoint" = :endpoint OR COALESCE(b."expiresAt", b."createdAt" + interval '1 day')
                                       < timezone('UTC', clock_timestamp()) - make_interval(secs => :stranded_s)))
    OR EXISTS (
    SELECT c."jobId" FROM (
        SELECT DISTINCT "jobId" FROM "LlmCall"
        WHERE "status" = 'waiting' AND "batchId" IS NULL AND "endpoint" = :endpoint
    ) c JOIN "AiValidationJob" j ON j."id" = c."jobId"
    WHERE j."status" = 'processing' AND j."config" -> 'batchApi' = 'true'
      AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t
                      WHERE t."jobId" = j."id" AND t."status" IN ('ready', 'running')))
    OR EXISTS (
    SELECT 1 FROM "LlmCall" c
    WHERE c."status" = 'waiting' AND c."batchId" IS NULL AND (
        NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = c."jobId"
                    AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true')
        OR (c."endpoint" <> :endpoint
            AND c."createdAt" < timezone('UTC', clock_timestamp()) - make_interval(secs => :stranded_s))))
    OR (EXISTS (SELECT 1 FROM "AiValidationTask" WHERE "status" = 'waiting')
        AND NOT EXISTS (SELECT 1 FROM "LlmCall" WHERE "status" = 'waiting'));

-- name: find_rounds
-- A round is over when nobody of the job can add to it: no task is ready or running.
SELECT c."jobId" FROM (
    SELECT DISTINCT "jobId" FROM "LlmCall"
    WHERE "status" = 'waiting' AND "batchId" IS NULL AND "endpoint" = :endpoint
) c JOIN "AiValidationJob" j ON j."id" = c."jobId"
WHERE j."status" = 'processing' AND j."config" -> 'batchApi' = 'true'
  AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t
                  WHERE t."jobId" = j."id" AND t."status" IN ('ready', 'running'));

-- name: is_round_over
-- The same of one job, whatever waits.
SELECT NOT EXISTS (SELECT 1 FROM "AiValidationTask" WHERE "jobId" = :id AND "status" IN ('ready', 'running'));

-- name: drop_unsent
-- Nobody sends these any more: their job has ended, or their endpoint is no longer anybody's.
UPDATE "LlmCall" SET "status" = 'failed', "completedAt" = timezone('UTC', clock_timestamp()), "request" = NULL,
       "costUsd" = 0 * COALESCE("ceilingUsd", "costUsd"),
       "error" = '{"kind": "unavailable", "code": "not_sent", "message": "Nobody sends this call any more."}'::jsonb
WHERE "id" IN (
    SELECT c."id" FROM "LlmCall" c
    WHERE c."status" = 'waiting' AND c."batchId" IS NULL AND (
        NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = c."jobId"
                    AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true')
        OR (c."endpoint" <> :endpoint
            AND c."createdAt" < timezone('UTC', clock_timestamp()) - make_interval(secs => :stranded_s)))
    ORDER BY c."id" FOR NO KEY UPDATE SKIP LOCKED);

-- name: find_uncollected
-- The calls of the job's round, locked; none when it is not over after all.
SELECT c."id", c."model", octet_length(c."request") FROM "LlmCall" c
WHERE c."jobId" = :job_id AND c."status" = 'waiting' AND c."batchId" IS NULL AND c."endpoint" = :endpoint
  AND EXISTS (
    SELECT c."jobId" FROM (
        SELECT DISTINCT "jobId" FROM "LlmCall"
        WHERE "status" = 'waiting' AND "batchId" IS NULL AND "endpoint" = :endpoint
    ) c JOIN "AiValidationJob" j ON j."id" = c."jobId"
    WHERE j."status" = 'processing' AND j."config" -> 'batchApi' = 'true'
      AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t
                      WHERE t."jobId" = j."id" AND t."status" IN ('ready', 'running'))
      AND j."id" = :job_id)
ORDER BY c."id" FOR NO KEY UPDATE OF c;

-- name: make_batch
-- The intent of one batch, and these calls in it.
WITH made AS (
    INSERT INTO "LlmBatch" ("id", "jobId", "endpoint", "model", "requestCount", "nextLookAt", "createdAt")
    VALUES (:id, :job_id, :endpoint, :model, :count,
            timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s), timezone('UTC', clock_timestamp()))
    RETURNING "id"
)
UPDATE "LlmCall" SET "batchId" = made."id" FROM made WHERE "LlmCall"."id" = ANY(CAST(:call_ids AS text[]));

-- name: read_promise
-- For how many calls the job's tasks wait, and until when at most as the provider promised, or a day from now.
SELECT count(*), COALESCE(max(b."expiresAt"), timezone('UTC', clock_timestamp()) + interval '1 day')
FROM "LlmCall" c LEFT JOIN "LlmBatch" b ON b."id" = c."batchId"
WHERE c."status" = 'waiting' AND c."id" IN (
    SELECT unnest("waitsFor") FROM "AiValidationTask" WHERE "jobId" = :job_id AND "status" = 'waiting');

-- name: take
-- At once what nobody wants any more (its job is not under way, or was set to direct calls), but only once: whoever
-- takes it writes down "cancelledAt", or two batch submitters would take it out of each other's hands for ever. Of
-- another endpoint only what is long overdue: its own workers have gone.
UPDATE "LlmBatch" b
SET "attempt" = b."attempt" + 1, "nextLookAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :hold_s),
    "cancelledAt" = CASE
        WHEN NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = b."jobId"
                         AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true')
        THEN COALESCE(b."cancelledAt", timezone('UTC', clock_timestamp())) END
WHERE b."id" = (
    SELECT b."id" FROM "LlmBatch" b
    WHERE medq_batch_is_open(b."status")
      AND (b."nextLookAt" <= timezone('UTC', clock_timestamp())
           OR (b."status" <> 'waiting' AND b."cancelledAt" IS NULL AND b."downSince" IS NULL
               AND NOT EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = b."jobId"
                               AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true')))
      AND (b."endpoint" = :endpoint OR COALESCE(b."expiresAt", b."createdAt" + interval '1 day')
                                       < timezone('UTC', clock_timestamp()) - make_interval(secs => :stranded_s))
    ORDER BY b."nextLookAt" LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING b."id", b."attempt", b."jobId", b."model", b."status", b."requestCount", b."createdAt", b."inputFileId",
    b."providerBatchId", b."downloads",
    COALESCE(EXTRACT(EPOCH FROM timezone('UTC', clock_timestamp()) - b."downSince"), 0) AS down_s,
    EXTRACT(EPOCH FROM timezone('UTC', clock_timestamp()) - COALESCE(b."submittedAt", b."createdAt")) AS age_s,
    EXTRACT(EPOCH FROM timezone('UTC', clock_timestamp())
            - COALESCE(b."expiresAt", b."createdAt" + interval '1 day')) AS overdue_s,
    EXISTS (SELECT 1 FROM "AiValidationJob" j WHERE j."id" = b."jobId"
            AND medq_job_is_open(j."status") AND j."config" -> 'batchApi' = 'true') AS is_wanted,
    b."endpoint" <> :endpoint AS is_stranded;

-- name: keep
-- In the same hands for longer.
UPDATE "LlmBatch" SET "nextLookAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :hold_s)
WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: note_file
-- The uploaded file: from here on the batch may have been begun.
UPDATE "LlmBatch" SET "inputFileId" = :file WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: note_submitted
-- A time that cannot be: the provider's clock is wrong, and it promised a day.
UPDATE "LlmBatch" SET "status" = :status, "providerBatchId" = :found,
    "submittedAt" = timezone('UTC', clock_timestamp()), "downSince" = NULL, "error" = NULL,
    "nextLookAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s),
    "expiresAt" = CASE WHEN CAST(:expires AS timestamp) BETWEEN timezone('UTC', clock_timestamp())
                                                        AND timezone('UTC', clock_timestamp()) + interval '2 days'
                       THEN CAST(:expires AS timestamp)
                       ELSE timezone('UTC', clock_timestamp()) + interval '1 day' END
WHERE "id" = :id AND ("status" = 'waiting' OR (medq_batch_is_open("status") AND "providerBatchId" = :found));

-- name: note_single
-- Doubles of a batch that was begun again have been looked for.
UPDATE "LlmBatch" SET "status" = 'submitted' WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: is_other_submitted
-- Has the endpoint another batch for the same model under way, as far as the ledger knows?
SELECT EXISTS (SELECT 1 FROM "LlmBatch" WHERE "id" <> :id AND "endpoint" = :endpoint AND "model" = :model
               AND medq_batch_is_open("status") AND "status" <> 'waiting');

-- name: note_download
-- Where the results are, and that they were fetched once more.
UPDATE "LlmBatch" SET "outputFileId" = :output, "errorFileId" = :errors, "downloads" = "downloads" + 1
WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: postpone
-- Let go of it until then.
UPDATE "LlmBatch" SET "nextLookAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s),
    "downSince" = NULL, "error" = NULL
WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: postpone_unasked
-- The same where the provider could not be asked.
UPDATE "LlmBatch" SET "nextLookAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s),
    "downSince" = COALESCE("downSince", timezone('UTC', clock_timestamp())), "error" = CAST(:error AS jsonb)
WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: list_bodies
-- The calls of the batch that still wait, with their bodies.
SELECT "id", "request" FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting' ORDER BY "createdAt", "id";

-- name: read_body
-- The body of a call; none once it has ended.
SELECT "request" FROM "LlmCall" WHERE "id" = :id;

-- name: list_waiting
-- The calls of the batch that still wait, with the sizes of their bodies.
SELECT "id", "model", octet_length("request") FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting'
ORDER BY "createdAt", "id";

-- name: find_lines
-- Those of these calls that still wait in the batch, locked.
SELECT "id", "model", octet_length("request") AS size FROM "LlmCall"
WHERE "batchId" = :id AND "status" = 'waiting' AND "id" = ANY(CAST(:ids AS text[])) ORDER BY "id" FOR NO KEY UPDATE;

-- name: count_waiting
-- How many calls of the batch still wait for their line.
SELECT count(*) FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting';

-- name: fail_rest
-- Without a reply: free, or, when nobody knows, at the most it can have cost: see medq_call_costs.
UPDATE "LlmCall" SET "status" = 'failed', "error" = CAST(:error AS jsonb),
       "completedAt" = timezone('UTC', clock_timestamp()), "request" = NULL,
       "costUsd" = CASE WHEN :is_free THEN 0 * COALESCE("ceilingUsd", "costUsd") ELSE "costUsd" END
WHERE "id" IN (SELECT "id" FROM "LlmCall" WHERE "batchId" = :id AND "status" = 'waiting'
               ORDER BY "id" FOR NO KEY UPDATE);

-- name: end
-- The batch is closed.
UPDATE "LlmBatch" SET "status" = :status, "completedAt" = timezone('UTC', clock_timestamp()),
       "error" = CAST(:error AS jsonb), "downSince" = NULL, "answeredCount" = :answered
WHERE "id" = :id AND "attempt" = :attempt AND "status" = :held;

-- name: answered_before
-- Of this run, a round before that batch was made.
SELECT sum(b."answeredCount") FROM "LlmBatch" b JOIN "AiValidationJob" j ON j."id" = b."jobId"
WHERE b."jobId" = :job_id AND b."createdAt" >= j."startedAt" AND b."completedAt" = (
    SELECT max(p."completedAt") FROM "LlmBatch" p
    WHERE p."jobId" = :job_id AND p."completedAt" <= (SELECT "createdAt" FROM "LlmBatch" WHERE "id" = :id));

-- name: count_answered
-- How many lines of the batch the model dealt with, be it by refusing their content.
SELECT count(*) FROM "LlmCall" WHERE "batchId" = :id
AND ("status" = 'succeeded' OR ("status" = 'failed' AND "error" ->> 'kind' = 'content'));
