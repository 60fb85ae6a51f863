-- The task queue: claim, lease, renew, give back, sweep. No other file of the worker writes "AiValidationTask"; in the
-- database schema/functions does.
--
-- A worker shows its fencing token (id, attempt, owner) with each write: who lost the lease changes 0 rows. Locks are
-- taken in the order job, task, items.

-- name: claim
-- The user with the fewest running tasks first, then the job with the fewest, then priority, then age; in it, the first
-- ready task. Two steps, so that a job of 20,000 tasks costs no more than one of 2: the jobs are few, and the task is
-- found by its partial index, job by job in that order until there is one.
-- Of the job's row, which other programs fill, what most rows hold; "is_odd" where one holds more: see read_odd_job.
WITH open_job AS MATERIALIZED (
    SELECT j."id", j."status", j."userId",
           (CASE WHEN pg_column_size(j."config") <= 16384 AND jsonb_typeof(j."config" -> 'priority') = 'number'
                 THEN (j."config" -> 'priority')::numeric ELSE 0 END) AS priority, j."createdAt",
           (SELECT count(*) FROM "AiValidationTask" r WHERE r."jobId" = j."id" AND r."status" = 'running') AS running
    FROM "AiValidationJob" j WHERE medq_job_is_open(j."status")
), candidate AS (
    SELECT t."id"
    FROM (SELECT o.*, sum(running) OVER (PARTITION BY "userId") AS of_user FROM open_job o
          ORDER BY of_user, running, priority DESC, "createdAt", "id") j
    CROSS JOIN LATERAL (
        SELECT t."id" FROM "AiValidationTask" t
        WHERE t."jobId" = j."id" AND t."status" = 'ready'
          AND (t."notBefore" IS NULL OR t."notBefore" <= timezone('UTC', clock_timestamp()))
          AND NOT EXISTS (SELECT 1 FROM "AiValidationPause" p
                          WHERE p."jobId" = j."id" AND p."until" > timezone('UTC', clock_timestamp()))
        ORDER BY t."position" LIMIT 1 FOR UPDATE SKIP LOCKED
    ) t
    LIMIT 1
)
UPDATE "AiValidationTask" t
SET "status" = 'running', "attempt" = t."attempt" + 1, "leaseOwner" = :owner,
    "leaseExpiresAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :lease_s),
    "notBefore" = NULL, "errorMessage" = NULL, "startedAt" = timezone('UTC', clock_timestamp())
FROM candidate c, "AiValidationJob" j
WHERE t."id" = c."id" AND j."id" = t."jobId"
RETURNING t."id", t."kind", t."position", t."attempt", t."deaths",
    j."id" AS job_id, j."userId",
    CASE WHEN pg_column_size(j."fileName") <= 8000 THEN j."fileName" END AS file_name,
    CASE WHEN pg_column_size(j."originalFileName") <= 8000 THEN j."originalFileName" END AS original_file_name,
    CASE WHEN pg_column_size(j."fileUrl") <= 8000 THEN j."fileUrl" END AS file_url,
    CASE WHEN pg_column_size(j."instructions") <= 8000 THEN j."instructions" END AS instructions,
    (CASE WHEN pg_column_size(j."config") <= 1000 AND pg_column_compression(j."config") IS NULL
               AND jsonb_typeof(j."config") = 'object' AND NOT j."config" @? '$.**{8}'
               AND NOT j."config" @? '$.** ? (@ > 1e300 || @ < -1e300)'
          THEN j."config"::text END) AS config_text,
    j."config" IS NOT NULL AS is_configured,
    GREATEST(pg_column_size(j."fileName"), pg_column_size(j."originalFileName"), pg_column_size(j."fileUrl"),
             pg_column_size(j."instructions")) > 8000 AS is_odd,
    j."status" AS job_status,
    EXISTS (SELECT 1 FROM "AiValidationPause" p WHERE p."jobId" = j."id" AND p."reason" = 'provider') AS was_held;

-- name: find_taken
-- What this very claim took already, when its COMMIT went through and the word of it was lost.
SELECT t."id", t."kind", t."position", t."attempt", t."deaths",
    j."id" AS job_id, j."userId",
    CASE WHEN pg_column_size(j."fileName") <= 8000 THEN j."fileName" END AS file_name,
    CASE WHEN pg_column_size(j."originalFileName") <= 8000 THEN j."originalFileName" END AS original_file_name,
    CASE WHEN pg_column_size(j."fileUrl") <= 8000 THEN j."fileUrl" END AS file_url,
    CASE WHEN pg_column_size(j."instructions") <= 8000 THEN j."instructions" END AS instructions,
    (CASE WHEN pg_column_size(j."config") <= 1000 AND pg_column_compression(j."config") IS NULL
               AND jsonb_typeof(j."config") = 'object' AND NOT j."config" @? '$.**{8}'
               AND NOT j."config" @? '$.** ? (@ > 1e300 || @ < -1e300)'
          THEN j."config"::text END) AS config_text,
    j."config" IS NOT NULL AS is_configured,
    GREATEST(pg_column_size(j."fileName"), pg_column_size(j."originalFileName"), pg_column_size(j."fileUrl"),
             pg_column_size(j."instructions")) > 8000 AS is_odd,
    j."status" AS job_status,
    EXISTS (SELECT 1 FROM "AiValidationPause" p WHERE p."jobId" = j."id" AND p."reason" = 'provider') AS was_held
FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
WHERE t."leaseOwner" = :owner AND t."status" = 'running';

-- name: read_odd_job
-- Whatever the row holds, this arrives, and the task judges it: names of 10,000 characters and instructions of 100,000
-- or one more, a configuration of 65,536 or "…". Numbers of a jsonb may have 130,000 digits in twelve bytes, and its
-- levels go as deep as the server's stack: an option that nobody can read arrives as [], which is right for none.
SELECT (CASE WHEN pg_column_size(j."fileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileName", 10001) END) AS file_name,
       (CASE WHEN pg_column_size(j."originalFileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."originalFileName", 10001) END) AS original_file_name,
       (CASE WHEN pg_column_size(j."fileUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileUrl", 10001) END) AS file_url,
       (CASE WHEN pg_column_size(j."instructions") > 400000 THEN repeat(' ', 100001)
             ELSE left(j."instructions", 100001) END) AS instructions,
       (CASE
        WHEN j."config" IS NULL THEN NULL
        WHEN pg_column_size(j."config") > 16384 THEN '"…"'
        WHEN jsonb_typeof(j."config") = 'null' THEN NULL
        WHEN jsonb_typeof(j."config") <> 'object' THEN '[]'
        WHEN pg_column_size(j."config" || '{}') > 65536 THEN '"…"'
        ELSE (SELECT CASE WHEN length(read.text) <= 65536 THEN read.text ELSE '"…"' END
              FROM (SELECT CASE WHEN NOT j."config" @? '$.**{8}'
                                     AND NOT j."config" @? '$.** ? (@ > 1e300 || @ < -1e300)'
                                THEN j."config"::text ELSE (
                        SELECT jsonb_object_agg(option.key,
                                                CASE WHEN NOT option.value @? '$.**{8}'
                                                          AND NOT option.value @? '$.** ? (@ > 1e300 || @ < -1e300)'
                                                     THEN option.value ELSE '[]' END)::text
                        FROM jsonb_each(j."config") option) END AS text
                    OFFSET 0) read)
        END) AS config_text
FROM "AiValidationJob" j WHERE j."id" = :job_id;

-- name: lock_job
-- Who locks a job's row is the worker, and says so for the rest of the transaction: see medq_by_worker.
SELECT "status" FROM "AiValidationJob" WHERE "id" = :job_id AND medq_by_worker() FOR NO KEY UPDATE;

-- name: bound_lock_wait
-- No lock of this transaction is waited for longer.
SELECT set_config('lock_timeout', :wait_ms, true);

-- name: is_owned
-- Is the task still this owner's?
SELECT 1 FROM "AiValidationTask"
WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running';

-- name: end
-- The job first, as everywhere: its row is locked when the CTE is read, the task's when it is written.
-- Protection: the fence of a task's last write
WITH job AS MATERIALIZED (
    SELECT "status" FROM "AiValidationJob" WHERE "id" = :job_id AND medq_by_worker() FOR NO KEY UPDATE)
UPDATE "AiValidationTask" SET "status" = :status, "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "completedAt" = timezone('UTC', clock_timestamp()), "errorMessage" = :error,
       "result" = COALESCE(CAST(:result AS jsonb), "result")
WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running'
  AND medq_job_is_open((SELECT job."status" FROM job));

-- name: give_back
-- Ready again, now or after the delay.
-- Protection: the fence of a task that is given back
UPDATE "AiValidationTask" SET "status" = 'ready', "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "notBefore" = CASE WHEN :delay_s > 0
                          THEN timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s) END,
       "errorMessage" = :error
WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running';

-- name: add_batches
-- One ready task for each batch of questions, in this order.
INSERT INTO "AiValidationTask" ("id", "jobId", "kind", "position")
SELECT made.id, :job_id, 'analyse', made.number - 1
FROM unnest(CAST(:task_ids AS text[])) WITH ORDINALITY AS made(id, number);

-- name: ready_finish
-- Make the job's last task when no batch is open any more.
SELECT medq_ready_finish(:job_id);

-- name: park
-- Parked, the task belongs to no worker. It is ready again when none of these calls waits any more, or now if none is
-- given.
UPDATE "AiValidationTask" SET "status" = CASE WHEN CAST(:call_ids AS text[]) = '{}' THEN 'ready' ELSE 'waiting' END,
       "waitsFor" = CAST(:call_ids AS text[]), "leaseOwner" = NULL, "leaseExpiresAt" = NULL, "notBefore" = NULL,
       "errorMessage" = NULL
WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running';

-- name: lock_waiting
-- Two batches that end at once must not each leave a task to the other, nor one that is never committed take it along.
SELECT "id" FROM "AiValidationTask" WHERE "status" = 'waiting' AND "id" IN (
    SELECT t."id" FROM "AiValidationTask" t CROSS JOIN LATERAL unnest(t."waitsFor") AS call(id)
    JOIN "LlmCall" c ON c."id" = call.id
    WHERE t."status" = 'waiting' AND c."batchId" = :batch_id)
ORDER BY "id" FOR NO KEY UPDATE;

-- name: release_waiting
-- In one order, so that two releases never wait for each other.
UPDATE "AiValidationTask" SET "status" = 'ready', "waitsFor" = '{}'
WHERE "id" IN (
    SELECT t."id" FROM "AiValidationTask" t
    WHERE t."status" = 'waiting' AND NOT EXISTS (
        SELECT 1 FROM "LlmCall" c WHERE c."id" = ANY(t."waitsFor") AND c."status" = 'waiting')
    ORDER BY t."id" FOR NO KEY UPDATE SKIP LOCKED)
RETURNING "jobId";

-- name: fail_batches
-- End every batch of the job that is open.
UPDATE "AiValidationTask" SET "status" = 'failed', "leaseOwner" = NULL, "leaseExpiresAt" = NULL,
       "completedAt" = timezone('UTC', clock_timestamp()), "errorMessage" = :error
WHERE "jobId" = :job_id AND "kind" = 'analyse' AND medq_task_is_open("status");

-- name: count_open_batches
-- How many batches of the job have not ended.
SELECT count(*) FROM "AiValidationTask" WHERE "jobId" = :job_id AND "kind" = 'analyse'
AND medq_task_is_open("status");

-- name: give_back_all
-- Ready again: whatever this process still holds when it leaves.
UPDATE "AiValidationTask" SET "status" = 'ready', "leaseOwner" = NULL, "leaseExpiresAt" = NULL
WHERE starts_with("leaseOwner", :process) AND "status" = 'running' RETURNING "id", "attempt";

-- name: renew
-- Every lease of one process; what does not come back is lost.
-- Protection: the fence of a lease's renewal
UPDATE "AiValidationTask" t
SET "leaseExpiresAt" = timezone('UTC', clock_timestamp()) + make_interval(secs => :lease_s)
FROM unnest(CAST(:ids AS text[]), CAST(:attempts AS int[])) AS held(id, attempt)
WHERE t."id" = held.id AND t."attempt" = held.attempt AND starts_with(t."leaseOwner", :process)
  AND t."status" = 'running'
RETURNING t."id";

-- name: count_crash
-- A crash that its worker saw: ready again a little later, or failed.
UPDATE "AiValidationTask" SET "status" = :status, "deaths" = "deaths" + 1, "leaseOwner" = NULL,
       "leaseExpiresAt" = NULL,
       "completedAt" = CASE WHEN :status = 'failed' THEN timezone('UTC', clock_timestamp()) END,
       "errorMessage" = :error,
       "notBefore" = CASE WHEN :status = 'ready'
                          THEN timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s) END
WHERE "id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running';

-- name: find_expired
-- A server that has just started could not take renewals: its workers get one lease to show that they live.
SELECT "id", "jobId", "kind", "attempt", "deaths", "leaseOwner" FROM "AiValidationTask"
WHERE "status" = 'running' AND "leaseExpiresAt" < timezone('UTC', clock_timestamp())
  AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :lease_s)
ORDER BY "leaseExpiresAt" LIMIT 500;

-- name: try_to_write
-- A write where the owners of these leases would write; it changes nothing. Who is at work on a row is not waited for.
UPDATE "AiValidationTask" t SET "leaseExpiresAt" = t."leaseExpiresAt"
FROM (SELECT "id" FROM "AiValidationTask" WHERE "id" = ANY(CAST(:ids AS text[])) AND "status" = 'running'
      ORDER BY "id" FOR UPDATE SKIP LOCKED) expired
WHERE t."id" = expired."id";

-- name: could_have_renewed
-- Whose owner had a chance: since it was to renew (a third of a lease after it last did, and a pause) somebody has
-- written to this table, and that is longer ago than a living owner needs to do the same.
WITH written AS (
    SELECT max(w.at) AS at
    FROM "AiValidationJob" j JOIN "AiValidationTask" t ON t."jobId" = j."id"
    CROSS JOIN LATERAL (VALUES (t."startedAt"), (t."completedAt")) w(at)
    WHERE medq_job_is_open(j."status") AND w.at <= timezone('UTC', clock_timestamp()) - make_interval(secs => :grace_s)
)
SELECT t."id" FROM "AiValidationTask" t, written
WHERE t."id" = ANY(CAST(:ids AS text[])) AND t."status" = 'running'
  AND t."leaseExpiresAt" + make_interval(secs => :pause_s - :lease_s * 2 / 3) <= written.at;

-- name: end_standstill
-- The server ends a transaction that stands still by itself, except in the middle of a COPY: there it waits for ever
-- for a client that froze, and so do all who need what it locked. Nobody who renews no lease may hold one for so long.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ANY(CAST(:sessions AS text[])) AND state <> 'idle'
  AND xact_start < clock_timestamp() - make_interval(secs => :lease_s);

-- name: return_expired
-- A worker that vanished: ready again, or failed; not a task that moved on.
UPDATE "AiValidationTask" SET "status" = :status, "deaths" = "deaths" + 1, "leaseOwner" = NULL,
       "leaseExpiresAt" = NULL,
       "completedAt" = CASE WHEN :status = 'failed' THEN timezone('UTC', clock_timestamp()) END,
       "errorMessage" = :error
WHERE "id" = :id AND "attempt" = :attempt AND "status" = 'running'
  AND "leaseExpiresAt" < timezone('UTC', clock_timestamp());

-- name: count_ready
-- How many tasks could be claimed now, up to a number.
SELECT count(*) FROM (
    SELECT 1 FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
    WHERE t."status" = 'ready' AND (t."notBefore" IS NULL OR t."notBefore" <= timezone('UTC', clock_timestamp()))
      AND medq_job_is_open(j."status")
      AND NOT EXISTS (SELECT 1 FROM "AiValidationPause" p
                      WHERE p."jobId" = j."id" AND p."until" > timezone('UTC', clock_timestamp()))
    LIMIT :most
) ready;

-- name: mend_orphans
-- A job whose first task was never made (its row came while the triggers were away), or whose last was not readied. One
-- that somebody has locked is not waited for: the next sweep finds it again. Not one that was begun before we came.
WITH orphan AS MATERIALIZED (
    SELECT j."id" FROM "AiValidationJob" j
    WHERE medq_job_is_open(j."status")
      AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" t WHERE t."jobId" = j."id"
                      AND medq_task_is_open(t."status"))
      AND (j."status" = 'queued'
           OR NOT EXISTS (SELECT 1 FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id"))
    FOR NO KEY UPDATE SKIP LOCKED
)
SELECT count(*) FILTER (WHERE medq_mend_job("id")) FROM orphan;

-- name: notify
-- Wake at commit: something of this job became ready.
SELECT pg_notify(:channel, :job);
