-- Why nobody works on a job for a while: one row at most of each, found by the job's key.

-- name: pause
-- Let nobody claim a task of the job before the delay has passed; for how many seconds it has met this cause.
INSERT INTO "AiValidationPause" AS p ("jobId", "reason", "since", "until")
VALUES (:job_id, :reason, timezone('UTC', clock_timestamp()),
        timezone('UTC', clock_timestamp()) + make_interval(secs => :delay_s))
ON CONFLICT ("jobId") DO UPDATE SET
    -- The same cause goes on where it is met again within the gap.
    "since" = CASE WHEN p."reason" = EXCLUDED."reason"
                        AND p."until" > timezone('UTC', clock_timestamp()) - make_interval(secs => :gap_s)
                   THEN p."since" ELSE EXCLUDED."since" END,
    "reason" = EXCLUDED."reason", "until" = EXCLUDED."until", "message" = NULL
    -- What was refused is not made good by an outage.
    WHERE p."reason" <> 'refused' OR p."until" <= timezone('UTC', clock_timestamp())
RETURNING extract(epoch FROM timezone('UTC', clock_timestamp()) - p."since")::float8;

-- name: end_pause
-- Forget that the job was paused.
DELETE FROM "AiValidationPause" WHERE "jobId" = :job_id;

-- name: refuse
-- No further call of the job of this call: not where somebody deletes that job, nor where others have the task by now.
INSERT INTO "AiValidationPause" ("jobId", "reason", "since", "until", "message")
SELECT j."id", 'refused', timezone('UTC', clock_timestamp()),
       timezone('UTC', clock_timestamp()) + make_interval(secs => :refused_s), :message
FROM "LlmCall" c
JOIN "AiValidationTask" t ON t."id" = c."taskId" AND t."attempt" = c."attempt" AND t."status" = 'running'
JOIN "AiValidationJob" j ON j."id" = c."jobId"
WHERE c."id" = :call_id
FOR KEY SHARE OF j
ON CONFLICT ("jobId") DO UPDATE SET
    "reason" = EXCLUDED."reason", "since" = EXCLUDED."since", "until" = EXCLUDED."until",
    "message" = EXCLUDED."message";

-- name: read_refusal
-- Why the job makes no further call just now; no row when it may.
SELECT "message" FROM "AiValidationPause"
WHERE "jobId" = :job_id AND "reason" = 'refused' AND "until" > timezone('UTC', clock_timestamp());
