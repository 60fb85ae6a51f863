-- Some rows at a time, until none is left. What older workers write meanwhile is theirs to read.

-- The pause of a job stood on its first task, which had ended: "notBefore", with the sentence of a refusal.
INSERT INTO "AiValidationPause" ("jobId", "reason", "since", "until")
SELECT t."jobId", 'provider', LEAST(t."notBefore", timezone('UTC', clock_timestamp())), t."notBefore"
FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
WHERE t."kind" = 'prepare' AND t."status" = 'done' AND t."notBefore" IS NOT NULL AND j."status" = 'processing'
  AND NOT EXISTS (SELECT FROM "AiValidationPause" p WHERE p."jobId" = t."jobId")
LIMIT 1000 FOR KEY SHARE OF j;
UPDATE "AiValidationTask" SET "notBefore" = NULL, "errorMessage" = NULL
WHERE "id" IN (SELECT t."id" FROM "AiValidationTask" t
               WHERE t."kind" = 'prepare' AND t."status" = 'done' AND t."notBefore" IS NOT NULL LIMIT 1000);

-- Since when its storage is away stood in a result that the task had not got yet.
INSERT INTO "AiValidationPause" ("jobId", "reason", "since", "until")
SELECT t."jobId", 'storage', timezone('UTC', to_timestamp((t."result" -> 'storageAway' ->> 0)::float8)),
       timezone('UTC', to_timestamp((t."result" -> 'storageAway' ->> 1)::float8))
FROM "AiValidationTask" t JOIN "AiValidationJob" j ON j."id" = t."jobId"
WHERE t."status" IN ('ready', 'running') AND jsonb_typeof(t."result" -> 'storageAway') = 'array'
  AND j."status" = 'processing' AND NOT EXISTS (SELECT FROM "AiValidationPause" p WHERE p."jobId" = t."jobId")
LIMIT 1000 FOR KEY SHARE OF j;
UPDATE "AiValidationTask" SET "result" = NULL
WHERE "id" IN (SELECT t."id" FROM "AiValidationTask" t WHERE t."result" -> 'storageAway' IS NOT NULL LIMIT 1000);

-- Of a call under way the most it may cost stood where its cost comes. One state at a time, each of which has its index.
UPDATE "LlmCall" SET "ceilingUsd" = "costUsd", "costUsd" = NULL
WHERE "id" IN (SELECT c."id" FROM "LlmCall" c
               WHERE c."status" = 'started' AND c."costUsd" IS NOT NULL LIMIT 1000);
UPDATE "LlmCall" SET "ceilingUsd" = "costUsd", "costUsd" = NULL
WHERE "id" IN (SELECT c."id" FROM "LlmCall" c
               WHERE c."status" = 'waiting' AND c."costUsd" IS NOT NULL LIMIT 1000);

-- A code in "error" said that an earlier try may have begun the batch too.
UPDATE "LlmBatch" SET "status" = 'resubmitted', "error" = NULL
WHERE "id" IN (SELECT b."id" FROM "LlmBatch" b
               WHERE b."status" = 'submitted' AND b."error" ->> 'code' = 'begun_again' LIMIT 1000);
