-- The ledger of paid calls, "LlmCall": the intent before the call, the raw reply before anyone reads it.

-- name: begin
-- Fenced: a worker whose task was cancelled or taken over writes no intent, and so makes no call. Written again after a
-- COMMIT whose reply was lost, it stands as it is: a batch may have carried the call by now.
-- Protection: the fence of an intent
INSERT INTO "LlmCall" ("id", "jobId", "taskId", "attempt", "purpose", "requestHash", "questionKeys", "model",
                       "endpoint", "status", "ceilingUsd", "isRetry", "questionCount", "request", "createdAt")
SELECT :call_id, t."jobId", t."id", t."attempt", :purpose, :hash, CAST(:keys AS text[]), :model, :endpoint, :status,
       :ceiling,
       :is_retry OR EXISTS (SELECT 1 FROM "LlmCall" c WHERE c."requestHash" = :hash AND c."jobId" = t."jobId"
                            AND c."id" <> :call_id),
       :question_count, :body, timezone('UTC', clock_timestamp())
FROM "AiValidationTask" t
WHERE t."id" = :id AND t."attempt" = :attempt AND t."leaseOwner" = :owner AND t."status" = 'running'
  AND NOT EXISTS (
    SELECT 1 FROM "AiValidationPause" p
    WHERE p."jobId" = :job_id AND p."reason" = 'refused' AND p."until" > timezone('UTC', clock_timestamp()))
ON CONFLICT ("id") DO UPDATE SET "status" = "LlmCall"."status";

-- name: succeed
-- Not fenced: the reply is paid for, whoever owns the task by now. An open call has a cost only where a worker before
-- revision 022 wrote what it can cost at most there; it is kept, here and below.
UPDATE "LlmCall" SET "status" = 'succeeded', "response" = :response, "model" = :model, "promptTokens" = :prompt,
       "cachedTokens" = :cached, "completionTokens" = :completion,
       "costUsd" = COALESCE(CAST(:cost AS numeric), "costUsd"), "providerRequestId" = :request_id, "error" = NULL,
       "request" = NULL, "completedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :call_id;

-- name: fail
-- Why there is no reply. Where nobody knows whether it is paid, its cost is its ceiling: see medq_call_costs.
UPDATE "LlmCall" SET "status" = 'failed', "error" = CAST(:error AS jsonb), "request" = NULL,
       "completedAt" = timezone('UTC', clock_timestamp()),
       "costUsd" = CASE WHEN :is_known THEN CAST(:cost AS numeric) ELSE "costUsd" END
WHERE "id" = :call_id AND medq_call_is_open("status");

-- name: mark_unknown
-- Calls of a task that lost its lease may or may not have been paid: said so, never guessed. They cost their ceiling
-- (medq_call_costs).
UPDATE "LlmCall" c SET "status" = 'failed', "completedAt" = timezone('UTC', clock_timestamp()),
       "error" = '{"kind": "unknown", "code": "unknown", "message": "Worker gone before the reply."}'::jsonb
FROM unnest(CAST(:task_ids AS text[]), CAST(:attempts AS int[])) AS held(id, attempt)
WHERE c."taskId" = held.id AND c."attempt" <= held.attempt AND c."status" = 'started';

-- name: mark_orphans
-- Nobody waits for the reply of a call any more whose task ended, or ran again, longer ago than a call may take.
UPDATE "LlmCall" c SET "status" = 'failed', "completedAt" = timezone('UTC', clock_timestamp()),
       "error" = '{"kind": "unknown", "code": "unknown", "message": "Task gone before the reply."}'::jsonb
WHERE c."status" = 'started'
  AND c."createdAt" < timezone('UTC', clock_timestamp()) - make_interval(secs => :older_than_s)
  AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t WHERE t."id" = c."taskId" AND t."attempt" = c."attempt"
                  AND t."status" = 'running');

-- name: find_replies
-- Stored replies of any job that answer one of these questions, and the calls of this task's run that brought none and
-- may be paid for all the same; oldest first.
SELECT c."questionKeys", c."response", NULL AS code, NULL AS kind,
       c."jobId" = :job_id AND c."createdAt" >= j."startedAt" AS is_own, c."createdAt" AS at, c."id" AS call_id
FROM "LlmCall" c, "AiValidationJob" j
WHERE j."id" = :job_id AND c."status" = 'succeeded' AND c."questionKeys" && CAST(:keys AS text[])
UNION ALL
SELECT c."questionKeys", NULL, c."error" ->> 'code', c."error" ->> 'kind', TRUE, c."createdAt", c."id"
FROM "LlmCall" c, "AiValidationJob" j
WHERE j."id" = :job_id AND c."taskId" = :task_id AND c."status" = 'failed' AND c."createdAt" >= j."startedAt"
  AND (c."error" ->> 'kind' IN ('content', 'unknown') OR c."error" ->> 'code' IN ('timeout', 'connection_lost')
       OR (c."batchId" IS NOT NULL AND c."error" ->> 'kind' = 'unavailable'))
  AND c."questionKeys" && CAST(:keys AS text[])
ORDER BY at, call_id;

-- name: is_in_flight
-- Is somebody else asking one of these questions right now? The call of a task that runs counts until its owner is
-- taken for dead, which closes it: a lease that ran out may be one that the server let nobody renew, with the reply in
-- hand. Of a task that was cancelled or put back meanwhile the reply is awaited, for as long as a call may take.
SELECT EXISTS (
    SELECT 1 FROM "LlmCall" c
    LEFT JOIN "AiValidationTask" t ON t."id" = c."taskId" AND t."attempt" = c."attempt" AND t."status" = 'running'
    WHERE c."status" = 'started' AND c."id" <> :call_id AND c."questionKeys" && CAST(:keys AS text[])
      AND CASE WHEN t."id" IS NULL
               THEN c."createdAt" > timezone('UTC', clock_timestamp()) - make_interval(secs => :call_timeout_s)
               ELSE t."id" <> :id END
) OR 0 < (
    -- Counted, for an EXISTS would make the planner hope for a hit in the first rows and read the whole table.
    SELECT count(*) FROM "LlmCall" c WHERE c."status" = 'succeeded' AND c."questionKeys" && CAST(:keys AS text[])
      AND c."id" <> ALL(CAST(:known AS text[])) AND c."id" <> :call_id
);

-- name: lock_keys
-- One lock per question, in the order of its number: whoever asks one of them looks only when the other has written.
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT hashtextextended(key, 20261122) AS number FROM unnest(CAST(:keys AS text[])) AS key ORDER BY 1
) numbers;

-- name: sum_spent
-- What calls under way may cost is reserved; they have cost nothing yet.
SELECT COALESCE(sum("costUsd"), 0), COALESCE(sum("ceilingUsd") FILTER (WHERE medq_call_is_open("status")), 0)
FROM "LlmCall" WHERE "jobId" = :job_id AND "id" <> :call_id;

-- name: down_for
-- Since when has this job met nothing but a provider that is down? NULL when it has not.
SELECT EXTRACT(EPOCH FROM (timezone('UTC', clock_timestamp()) - min(c."createdAt")))
FROM "LlmCall" c JOIN "AiValidationJob" j ON j."id" = c."jobId"
WHERE c."jobId" = :job_id AND c."status" = 'failed' AND c."error" ->> 'kind' = 'unavailable' AND c."batchId" IS NULL
  AND c."createdAt" > COALESCE((SELECT max(s."completedAt") FROM "LlmCall" s
                                WHERE s."jobId" = :job_id AND s."status" = 'succeeded'), j."startedAt")
  AND c."createdAt" >= j."startedAt";

-- name: count_answered
-- Who is answered of late? Of the jobs that are open: so it costs no more than to read their calls.
SELECT count(*) FROM "AiValidationJob" j JOIN "LlmCall" c ON c."jobId" = j."id"
WHERE j."status" = 'processing' AND c."status" = 'succeeded' AND c."batchId" IS NULL
  AND c."endpoint" = ANY(CAST(:endpoints AS text[]))
  AND c."completedAt" > timezone('UTC', clock_timestamp()) - make_interval(secs => :within_s);

-- name: begin_alone
-- A call for a person's decision: of no task, and so of no lease. It stands on its job's ledger, where that still
-- exists.
INSERT INTO "LlmCall" ("id", "jobId", "attempt", "purpose", "requestHash", "questionKeys", "model", "endpoint",
                       "status", "ceilingUsd", "questionCount", "createdAt")
VALUES (:call_id, :job_id, 0, :purpose, :hash, CAST(:keys AS text[]), :model, :endpoint, 'started', :ceiling, 1,
        timezone('UTC', clock_timestamp()));

-- name: find_alone
-- The newest reply to this very question.
SELECT "response", "model" FROM "LlmCall"
WHERE "status" = 'succeeded' AND "questionKeys" && ARRAY[CAST(:key AS text)] AND "purpose" = 'explain'
ORDER BY "createdAt" DESC LIMIT 1;

-- name: read_clock
-- What time it is in UTC.
SELECT timezone('UTC', clock_timestamp());
