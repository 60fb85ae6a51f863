-- What operators look at over all jobs: the queue, what models cost by day, what people decided. Reads only.

-- name: count_tasks
-- How many tasks there are, by kind and status.
SELECT "kind", "status", count(*) AS n FROM "AiValidationTask" GROUP BY 1, 2 ORDER BY 1, 2;

-- name: count_jobs
-- How many jobs there are, by status.
SELECT "status", count(*) AS n FROM "AiValidationJob" GROUP BY 1;

-- name: sum_costs
-- What models cost on each day of the platform's time, of the last so many days. A call under way has cost
-- nothing yet.
SELECT (c."createdAt" AT TIME ZONE 'UTC' AT TIME ZONE :zone)::date AS day, c."model", count(*) AS calls,
       count(*) FILTER (WHERE c."status" = 'failed') AS failed_calls,
       COALESCE(sum(c."promptTokens"), 0) AS prompt_tokens, COALESCE(sum(c."completionTokens"), 0) AS completion_tokens,
       sum(c."costUsd") AS cost_usd
FROM "LlmCall" c WHERE c."createdAt" >= timezone('UTC', now()) - make_interval(days => :days)
GROUP BY 1, 2 ORDER BY 1 DESC, 2;

-- name: count_decisions
-- How many decisions people took, by action.
SELECT "action", count(*) AS n FROM "AiValidationDecision" GROUP BY 1;
