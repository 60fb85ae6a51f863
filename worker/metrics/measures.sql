-- What operators watch, read from the rows: gauges as they stand, and what only grows, counted once.

-- name: count_decisions
-- How many decisions people took, by action.
SELECT "action", count(*) FROM "AiValidationDecision" GROUP BY 1;

-- name: count_open_items
-- How many rows wait for a person.
SELECT count(*) FROM "AiValidationOpenItem";

-- name: count_batches
-- How many batches at the provider there are, by status.
SELECT "status", count(*) FROM "LlmBatch" GROUP BY 1;

-- name: read_queue
-- For how long the oldest task that could be done has waited, and how many leases ran out.
SELECT COALESCE(extract(epoch FROM timezone('UTC', clock_timestamp()) - min(greatest(t."createdAt", t."notBefore"))
                    FILTER (WHERE t."status" = 'ready'
                                 AND COALESCE(t."notBefore", '-infinity') <= timezone('UTC', clock_timestamp()))), 0)
           AS age,
       count(*) FILTER (WHERE t."status" = 'running' AND t."leaseExpiresAt" < timezone('UTC', clock_timestamp()))
           AS expired
FROM "AiValidationTask" t
JOIN "AiValidationJob" j ON j."id" = t."jobId" AND medq_job_is_open(j."status")
WHERE t."status" IN ('ready', 'running');

-- name: read_states
-- Every job, with a word that changes with its row: once it has ended its counts stay, and are read again when that
-- changes.
SELECT "id", concat("status", "updatedAt", "processedItems") AS state, "status" FROM "AiValidationJob";

-- name: count_items
-- The items of these jobs, by type and status.
SELECT "jobId", "type" AS kind, "status", count(*) AS number FROM "AiValidationItem"
WHERE "jobId" = ANY(:ids) GROUP BY 1, 2, 3;

-- name: count_tasks
-- The tasks of these jobs, by kind and status; those that failed after three deaths are quarantined.
SELECT "jobId", "kind",
       CASE WHEN "status" = 'failed' AND "deaths" >= 3 THEN 'quarantined' ELSE "status" END AS "status",
       count(*) AS number
FROM "AiValidationTask" WHERE "jobId" = ANY(:ids) GROUP BY 1, 2, 3;

-- name: sum_calls
-- Calls that ended until a moment, by model, purpose, end and how long they took. A call or task that ended does not
-- change any more, but for a task that is run again: that is another run.
SELECT "model", "purpose", "status", COALESCE("error" ->> 'code', '') AS code,
       width_bucket(extract(epoch FROM "completedAt" - "createdAt")::float8, CAST(:bounds AS float8[])) AS bucket,
       count(*) AS calls, COALESCE(sum("promptTokens"), 0) AS prompt, COALESCE(sum("cachedTokens"), 0) AS cached,
       COALESCE(sum("completionTokens"), 0) AS completion, COALESCE(sum("costUsd"), 0) AS cost,
       COALESCE(sum(extract(epoch FROM "completedAt" - "createdAt")), 0) AS seconds
FROM "LlmCall" WHERE NOT medq_call_is_open("status") AND "completedAt" <= :until GROUP BY 1, 2, 3, 4, 5;

-- name: read_calls
-- Calls that ended since, one by one.
SELECT "id", "completedAt" AS "endedAt", "model", "purpose", "status", COALESCE("error" ->> 'code', '') AS code,
       width_bucket(extract(epoch FROM "completedAt" - "createdAt")::float8, CAST(:bounds AS float8[])) AS bucket,
       1 AS calls, COALESCE("promptTokens", 0) AS prompt, COALESCE("cachedTokens", 0) AS cached,
       COALESCE("completionTokens", 0) AS completion, COALESCE("costUsd", 0) AS cost,
       extract(epoch FROM "completedAt" - "createdAt") AS seconds
FROM "LlmCall" WHERE NOT medq_call_is_open("status") AND "completedAt" > :until;

-- name: sum_removed_calls
-- Calls whose rows are gone, as far as they were added up.
SELECT "model", "purpose", "status", "code", sum("calls") AS calls, sum("promptTokens") AS prompt,
       sum("cachedTokens") AS cached, sum("completionTokens") AS completion, COALESCE(sum("costUsd"), 0) AS cost
FROM "LlmTotal" GROUP BY 1, 2, 3, 4;

-- name: sum_tasks
-- Tasks that ended until a moment, by how long they waited and took.
SELECT "kind", width_bucket(waited::float8, CAST(:bounds AS float8[])) AS wait_bucket,
       width_bucket(took::float8, CAST(:bounds AS float8[])) AS bucket,
       count(*) AS tasks, sum(waited) AS waited, sum(took) AS took
FROM (SELECT "kind", extract(epoch FROM "startedAt" - greatest("createdAt", "notBefore")) AS waited,
             extract(epoch FROM "completedAt" - "startedAt") AS took
      FROM "AiValidationTask"
      WHERE medq_task_is_done("status") AND "startedAt" IS NOT NULL AND "completedAt" <= :until) t GROUP BY 1, 2, 3;

-- name: read_tasks
-- Tasks that ended since, one by one.
SELECT "id", "completedAt", "completedAt" AS "endedAt", "kind",
       width_bucket(waited::float8, CAST(:bounds AS float8[])) AS wait_bucket,
       width_bucket(took::float8, CAST(:bounds AS float8[])) AS bucket, 1 AS tasks, waited, took
FROM (SELECT "id", "completedAt", "kind",
             extract(epoch FROM "startedAt" - greatest("createdAt", "notBefore")) AS waited,
             extract(epoch FROM "completedAt" - "startedAt") AS took
      FROM "AiValidationTask"
      WHERE medq_task_is_done("status") AND "startedAt" IS NOT NULL AND "completedAt" > :until) t;

-- name: read_now
-- The time by the server's clock, in UTC.
SELECT timezone('UTC', clock_timestamp());
