-- What the commands, the page and the API ask of the database about jobs. Reads only, but for one that is never
-- committed.
--
-- A job's row is filled by other programs too. It is read so that no row can hide the others: times of the years 1 to
-- 9999; texts of at most 10,000 characters, instructions of 100,000 (one more arrives of what is longer, and blanks of
-- what is very long); a configuration as JSON text of at most 65,536, in which an option that nobody can read is [].

-- name: list_jobs
-- The newest jobs; only those in a status, of a user, with a text in the name of their file, after one that was seen.
-- What is NULL asks for nothing: the planner knows it when it plans.
SELECT j."id",
       (CASE WHEN pg_column_size(j."fileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileName", 10001) END) AS file_name,
       (CASE WHEN pg_column_size(j."originalFileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."originalFileName", 10001) END) AS original_file_name,
       j."fileSize" AS file_size,
       (CASE WHEN pg_column_size(j."fileUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileUrl", 10001) END) AS file_url,
       (CASE WHEN pg_column_size(j."outputUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."outputUrl", 10001) END) AS output_url,
       j."status", j."progress",
       (CASE WHEN pg_column_size(j."message") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."message", 10001) END) AS message,
       (CASE WHEN pg_column_size(j."errorMessage") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."errorMessage", 10001) END) AS error_message,
       j."totalItems" AS total_items, j."processedItems" AS processed_items, j."currentBatch" AS current_batch,
       j."totalBatches" AS total_batches, j."ragAppliedCount" AS rag_applied_count, j."fixedCount" AS fixed_count,
       j."successfulAnalyses" AS successful_analyses, j."failedAnalyses" AS failed_analyses,
       j."retryAttempts" AS retry_attempts,
       (CASE WHEN j."createdAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."createdAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."createdAt" END) AS created_at,
       (CASE WHEN j."startedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."startedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."startedAt" END) AS started_at,
       (CASE WHEN j."completedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."completedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."completedAt" END) AS completed_at,
       (CASE WHEN j."updatedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."updatedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."updatedAt" END) AS updated_at,
       j."userId" AS user_id,
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
            END) AS config
FROM "AiValidationJob" j
WHERE (CAST(:status AS text) IS NULL OR j."status" = :status)
  AND (CAST(:user_id AS text) IS NULL OR j."userId" = :user_id)
  AND (CAST(:name_holds AS text) IS NULL OR strpos(lower(j."originalFileName"), lower(:name_holds)) > 0)
  AND (CAST(:after_at AS timestamp) IS NULL
       OR (j."createdAt", j."id") < (CAST(:after_at AS timestamp), CAST(:after_id AS text)))
ORDER BY j."createdAt" DESC, j."id" DESC LIMIT :limit;

-- name: get_job
-- One job's row.
SELECT j."id",
       (CASE WHEN pg_column_size(j."fileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileName", 10001) END) AS file_name,
       (CASE WHEN pg_column_size(j."originalFileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."originalFileName", 10001) END) AS original_file_name,
       j."fileSize" AS file_size,
       (CASE WHEN pg_column_size(j."fileUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileUrl", 10001) END) AS file_url,
       (CASE WHEN pg_column_size(j."outputUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."outputUrl", 10001) END) AS output_url,
       j."status", j."progress",
       (CASE WHEN pg_column_size(j."message") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."message", 10001) END) AS message,
       (CASE WHEN pg_column_size(j."errorMessage") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."errorMessage", 10001) END) AS error_message,
       j."totalItems" AS total_items, j."processedItems" AS processed_items, j."currentBatch" AS current_batch,
       j."totalBatches" AS total_batches, j."ragAppliedCount" AS rag_applied_count, j."fixedCount" AS fixed_count,
       j."successfulAnalyses" AS successful_analyses, j."failedAnalyses" AS failed_analyses,
       j."retryAttempts" AS retry_attempts,
       (CASE WHEN j."createdAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."createdAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."createdAt" END) AS created_at,
       (CASE WHEN j."startedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."startedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."startedAt" END) AS started_at,
       (CASE WHEN j."completedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."completedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."completedAt" END) AS completed_at,
       (CASE WHEN j."updatedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."updatedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."updatedAt" END) AS updated_at,
       j."userId" AS user_id,
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
            END) AS config
FROM "AiValidationJob" j WHERE j."id" = :id;

-- name: read_states
-- Jobs with everything that changes while they go on, in one snapshot: their rows, how many items have which status,
-- how many wait for a person, and what is known of the cost: nothing while only calls under
-- way are known, of which none has a cost yet.
SELECT j."id",
       (CASE WHEN pg_column_size(j."fileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileName", 10001) END) AS file_name,
       (CASE WHEN pg_column_size(j."originalFileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."originalFileName", 10001) END) AS original_file_name,
       j."fileSize" AS file_size,
       (CASE WHEN pg_column_size(j."fileUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileUrl", 10001) END) AS file_url,
       (CASE WHEN pg_column_size(j."outputUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."outputUrl", 10001) END) AS output_url,
       j."status", j."progress",
       (CASE WHEN pg_column_size(j."message") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."message", 10001) END) AS message,
       (CASE WHEN pg_column_size(j."errorMessage") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."errorMessage", 10001) END) AS error_message,
       j."totalItems" AS total_items, j."processedItems" AS processed_items, j."currentBatch" AS current_batch,
       j."totalBatches" AS total_batches, j."ragAppliedCount" AS rag_applied_count, j."fixedCount" AS fixed_count,
       j."successfulAnalyses" AS successful_analyses, j."failedAnalyses" AS failed_analyses,
       j."retryAttempts" AS retry_attempts,
       (CASE WHEN j."createdAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."createdAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."createdAt" END) AS created_at,
       (CASE WHEN j."startedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."startedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."startedAt" END) AS started_at,
       (CASE WHEN j."completedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."completedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."completedAt" END) AS completed_at,
       (CASE WHEN j."updatedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."updatedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."updatedAt" END) AS updated_at,
       j."userId" AS user_id,
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
            END) AS config,
       (SELECT jsonb_object_agg(s."status", s.n) FROM (
            SELECT i."status", count(*) AS n FROM "AiValidationItem" i WHERE i."jobId" = j."id" GROUP BY 1) s)
           AS outcomes,
       (SELECT count(*) FROM "AiValidationOpenItem" o WHERE o."jobId" = j."id") AS open_items,
       (SELECT CASE WHEN count(*) = 0 THEN 0 ELSE sum(c."costUsd") END FROM "LlmCall" c
        WHERE c."jobId" = j."id" AND NOT medq_call_is_open(c."status")) AS cost_usd
FROM "AiValidationJob" j WHERE j."id" = ANY(:ids);

-- name: read_changes
-- Jobs, each with a word that changes whenever its row does, and their state where that word is not the one that was
-- seen: it costs next to nothing while nothing has changed.
SELECT present."id" AS present_id, present.xmin::text AS word,
       j."id",
       (CASE WHEN pg_column_size(j."fileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileName", 10001) END) AS file_name,
       (CASE WHEN pg_column_size(j."originalFileName") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."originalFileName", 10001) END) AS original_file_name,
       j."fileSize" AS file_size,
       (CASE WHEN pg_column_size(j."fileUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."fileUrl", 10001) END) AS file_url,
       (CASE WHEN pg_column_size(j."outputUrl") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."outputUrl", 10001) END) AS output_url,
       j."status", j."progress",
       (CASE WHEN pg_column_size(j."message") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."message", 10001) END) AS message,
       (CASE WHEN pg_column_size(j."errorMessage") > 40000 THEN repeat(' ', 10001)
             ELSE left(j."errorMessage", 10001) END) AS error_message,
       j."totalItems" AS total_items, j."processedItems" AS processed_items, j."currentBatch" AS current_batch,
       j."totalBatches" AS total_batches, j."ragAppliedCount" AS rag_applied_count, j."fixedCount" AS fixed_count,
       j."successfulAnalyses" AS successful_analyses, j."failedAnalyses" AS failed_analyses,
       j."retryAttempts" AS retry_attempts,
       (CASE WHEN j."createdAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."createdAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."createdAt" END) AS created_at,
       (CASE WHEN j."startedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."startedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."startedAt" END) AS started_at,
       (CASE WHEN j."completedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."completedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."completedAt" END) AS completed_at,
       (CASE WHEN j."updatedAt" < '0001-01-01' THEN '0001-01-01'::timestamp
             WHEN j."updatedAt" > '9999-12-31' THEN '9999-12-31'::timestamp ELSE j."updatedAt" END) AS updated_at,
       j."userId" AS user_id,
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
            END) AS config,
       (SELECT jsonb_object_agg(s."status", s.n) FROM (
            SELECT i."status", count(*) AS n FROM "AiValidationItem" i WHERE i."jobId" = j."id" GROUP BY 1) s)
           AS outcomes,
       (SELECT count(*) FROM "AiValidationOpenItem" o WHERE o."jobId" = j."id") AS open_items,
       (SELECT CASE WHEN count(*) = 0 THEN 0 ELSE sum(c."costUsd") END FROM "LlmCall" c
        WHERE c."jobId" = j."id" AND NOT medq_call_is_open(c."status")) AS cost_usd
FROM unnest(CAST(:ids AS text[]), CAST(:words AS text[])) AS known(id, word)
JOIN "AiValidationJob" present ON present."id" = known.id
LEFT JOIN "AiValidationJob" j ON j."id" = present."id" AND present.xmin::text IS DISTINCT FROM known.word;

-- name: find_job_ids
-- The jobs whose id begins so, two at most: none is unknown, two are not one.
SELECT "id" FROM "AiValidationJob" WHERE starts_with("id", :prefix) ORDER BY "id" LIMIT 2;

-- name: count_outcomes
-- How many rows of a job have which status.
SELECT "status", count(*) FROM "AiValidationItem" WHERE "jobId" = :id GROUP BY 1;

-- name: read_notes
-- What `prepare` noted of the file.
SELECT "result" FROM "AiValidationTask" WHERE "jobId" = :id AND "kind" = 'prepare' LIMIT 1;

-- name: count_findings
-- What was odd about the rows of a job, the most frequent first, with the sentence of the first row that has it.
SELECT finding->>'code' AS code, count(DISTINCT i."id") AS rows,
       (array_agg(finding->>'message' ORDER BY i."position"))[1] AS example
FROM "AiValidationItem" i,
     jsonb_array_elements(CASE jsonb_typeof(i."findings") WHEN 'array' THEN i."findings" END) AS finding
WHERE i."jobId" = :id GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: sum_spending
-- What a job's calls came to, model by model, most calls first. A call under way has cost nothing yet.
SELECT c."model", count(*) AS calls, count(*) FILTER (WHERE c."status" = 'failed') AS failed_calls,
       COALESCE(sum(c."promptTokens"), 0) AS prompt_tokens, COALESCE(sum(c."cachedTokens"), 0) AS cached_tokens,
       COALESCE(sum(c."completionTokens"), 0) AS completion_tokens,
       sum(c."costUsd") AS cost_usd,
       count(c."batchId") AS batch_calls,
       sum(c."costUsd") FILTER (WHERE c."batchId" IS NOT NULL)
           AS batch_cost_usd
FROM "LlmCall" c WHERE c."jobId" = :id GROUP BY c."model" ORDER BY count(*) DESC, c."model";

-- name: find_default_user
-- The oldest active admin, for whom `medq run` works unless told otherwise.
SELECT "email" FROM "User" WHERE lower("role") = 'admin' AND "isActive" ORDER BY "createdAt", "id" LIMIT 1;

-- name: has_revision
-- Whether `medq schema upgrade` ever ran here.
SELECT to_regclass('medq_version') IS NOT NULL;

-- name: find_revision
-- The revision of the schema.
SELECT version_num FROM medq_version;

-- name: find_begun_before
-- Jobs in `processing` that predate this worker and have no task.
SELECT j."id" FROM "AiValidationJob" j JOIN medq_adopted a ON a."kind" = 'job' AND a."name" = j."id"
WHERE j."status" = 'processing' ORDER BY j."createdAt", j."id";

-- name: count_workers
-- Worker processes at work on this database: each keeps one connection that listens for jobs.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'medq-watch%';

-- name: waited_s
-- For how many seconds the oldest task that could be done has been there, while nobody does anything.
SELECT extract(epoch FROM timezone('UTC', clock_timestamp()) - min(t."createdAt")) FROM "AiValidationTask" t
JOIN "AiValidationJob" j ON j."id" = t."jobId" AND medq_job_is_open(j."status")
WHERE t."status" = 'ready' AND (t."notBefore" IS NULL OR t."notBefore" <= timezone('UTC', clock_timestamp()))
  AND NOT EXISTS (SELECT 1 FROM "AiValidationTask" r WHERE r."status" = 'running'
                  AND r."leaseExpiresAt" > timezone('UTC', clock_timestamp()));

-- name: find_cut_off
-- Host and pid of the worker processes that cannot reach the LLM while others can: they say so in the name of a
-- session.
SELECT substr(application_name, length(:name) + 1) FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, :name) ORDER BY 1;

-- name: find_waiting
-- SQLSTATE, and host and pid, of the worker processes that wait for the server because of it.
SELECT split_part(rest, ' ', 1) AS state, split_part(rest, ' ', 2) AS place
FROM (SELECT substr(application_name, length(:name) + 1) AS rest FROM pg_stat_activity
      WHERE datname = current_database() AND starts_with(application_name, :name)) waiting ORDER BY 1, 2;

-- name: try_to_write
-- A call of some size, which is never committed: fails with what the server says when it takes no writes.
INSERT INTO "LlmCall" ("id", "attempt", "purpose", "requestHash", "questionKeys", "model", "endpoint", "status",
                       "questionCount", "response", "createdAt")
SELECT 'medq doctor ' || gen_random_uuid(), 0, 'explain', 'medq doctor', '{}', 'medq doctor', 'medq doctor',
       'succeeded', 0, string_agg(md5(random()::text), ''), timezone('UTC', clock_timestamp())
FROM generate_series(1, 1000);

-- name: read_limits
-- Limits of this session and the server: times in milliseconds (0: none), connections, and how many of these are free.
SELECT name, setting::bigint FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'max_connections')
UNION ALL
SELECT 'free', sum(CASE WHEN name = 'max_connections' THEN setting::bigint ELSE -setting::bigint END)
       - (SELECT sum(numbackends) FROM pg_stat_database)
FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections');

-- name: server_version
-- The server's major version.
SELECT current_setting('server_version_num')::int / 10000;
