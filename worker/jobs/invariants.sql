-- What must hold in every snapshot of the database. Run by invariants.py; docs/reliability.md shows it.
--
-- Each statement gives the rows that break its invariant: a job's id (or NULL) and what is wrong. `:job_ids` restricts
-- it to these jobs and their questions; NULL looks at everything. Calls that are open are looked at wherever they are.
-- A job that predates this worker (medq_adopted) has figures that somebody else counted, and tasks at most when it
-- waits.

-- name: conservation
-- Every question row that was read is one item; items are pending or have one outcome, and none vanishes.
SELECT j."id", format('%s rows read, %s items, totalItems %s', read.rows, items.n, j."totalItems")
FROM "AiValidationJob" j
JOIN "AiValidationTask" p ON p."jobId" = j."id" AND p."kind" = 'prepare' AND p."status" = 'done'
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(CASE jsonb_typeof(sheet -> 'rows') WHEN 'number' THEN (sheet -> 'rows')::numeric END), 0)
           AS rows
    FROM jsonb_array_elements(CASE jsonb_typeof(p."result" -> 'read') WHEN 'array' THEN p."result" -> 'read' END)
         AS sheet
) read
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM "AiValidationItem" i WHERE i."jobId" = j."id" AND i."status" IN (
        'pending', 'confirmed', 'corrected', 'completed', 'contested', 'duplicate', 'rejected', 'failed')
) items
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND (items.n <> j."totalItems" OR (p."result" -> 'read' IS NOT NULL AND items.n <> read.rows));

-- name: figures
-- The figures on the job's row equal the counts of its items, batches and calls.
SELECT j."id", format('row (%s,%s,%s,%s,%s,%s,%s,%s,%s), counted %s', j."totalItems", j."processedItems",
           j."successfulAnalyses", j."failedAnalyses", j."fixedCount", j."ragAppliedCount", j."retryAttempts",
           j."totalBatches", j."currentBatch", f::text)
FROM "AiValidationJob" j CROSS JOIN LATERAL medq_job_figures(j."id") f
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND NOT EXISTS (SELECT FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id")
  AND ((j."totalItems", j."processedItems", j."successfulAnalyses", j."failedAnalyses", j."fixedCount",
        j."ragAppliedCount", j."retryAttempts", j."totalBatches", j."currentBatch")
       IS DISTINCT FROM
       (f."totalItems", f."processedItems", f."successfulAnalyses", f."failedAnalyses", f."fixedCount",
        f."ragAppliedCount", f."retryAttempts", f."totalBatches", f."currentBatch")
       OR j."successfulAnalyses" + j."failedAnalyses" <> j."processedItems");

-- name: message
-- What the job's message says of its questions is what its figures say.
SELECT j."id", format('"%s" with %s of %s', j."message", j."processedItems", j."totalItems")
FROM "AiValidationJob" j
CROSS JOIN LATERAL (
    SELECT regexp_match(j."message",
               '^(Analyse en cours|Annulé).{0,2}: ([0-9]{1,9}) questions? traitées? sur ([0-9]{1,9})') AS progress,
           regexp_match(j."message", '^(Terminé.{0,2}: )?([0-9]{1,9}) questions? ([(]|lues?,)') AS whole
) said
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND ((said.progress[2]::int, said.progress[3]::int) <> (j."processedItems", j."totalItems")
       OR said.whole[2]::int <> j."totalItems");

-- name: one_outcome
-- An item has one accepted outcome with its result, and no two items of a job were accepted for the same content.
SELECT i."jobId", format('item %s is %s, result %s', i."id", i."status", left(i."result"::text, 60))
FROM "AiValidationItem" i
WHERE (CAST(:job_ids AS text[]) IS NULL OR i."jobId" = ANY(:job_ids))
  AND ((i."status" = 'pending' AND (i."result" IS NOT NULL OR i."questionId" IS NOT NULL))
       OR (i."status" IN ('confirmed', 'corrected', 'completed') AND i."result" IS NULL))
UNION ALL
SELECT i."jobId", format('%s accepted items have the content %s', count(*), i."contentHash")
FROM "AiValidationItem" i
WHERE (CAST(:job_ids AS text[]) IS NULL OR i."jobId" = ANY(:job_ids))
  AND medq_is_success(i."status") AND i."questionId" IS NOT NULL
GROUP BY i."jobId", i."contentHash" HAVING count(*) > 1;

-- name: one_question
-- No two questions that the worker wrote have the same content.
SELECT NULL::text, format('%s questions with one content: %s', count(*), string_agg(alike."id", ', '))
FROM "Question" alike WHERE alike."id" ~ '^q[0-9a-f]{24}$'
  -- Of a job's questions, and whatever asks the same.
  AND (CAST(:job_ids AS text[]) IS NULL OR alike."questionText" IN (
       SELECT s."questionText" FROM "AiValidationItem" i JOIN "Question" s ON s."id" = i."questionId"
       WHERE i."jobId" = ANY(:job_ids)))
GROUP BY alike."type", alike."questionText", alike."optionA", alike."optionB", alike."optionC", alike."optionD",
         alike."optionE", alike."courseId", alike."clinicalCaseId", alike."specialtyId" HAVING count(*) > 1;

-- name: progress
-- Progress is 0 until the file is read, 1 to 99 while rows are worked on, and 100 exactly when completed.
SELECT j."id", format('%s at %s %%, %s of %s', j."status", j."progress", j."processedItems", j."totalItems")
FROM "AiValidationJob" j
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND NOT EXISTS (SELECT FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id")
  AND ((j."progress" = 100) <> (j."status" = 'completed')
       OR (j."status" = 'queued' AND j."progress" <> 0)
       OR j."processedItems" > j."totalItems");

-- name: terminal
-- A job is completed, failed or cancelled if and only if it has no open task.
SELECT j."id", format('%s with %s open tasks', j."status", open_tasks.n)
FROM "AiValidationJob" j
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM "AiValidationTask" t WHERE t."jobId" = j."id"
      AND medq_task_is_open(t."status")
) open_tasks
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND NOT EXISTS (SELECT FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id")
  AND medq_job_is_open(j."status") = (open_tasks.n = 0);

-- name: one_finish
-- A completed job has one finish task, done, and a workbook; no job has two, and none before its batches ended.
SELECT j."id", format('%s, %s finish tasks (%s done), %s open batches, outputUrl %s', j."status", f.n, f.done,
           f.open_batches, j."outputUrl")
FROM "AiValidationJob" j
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE t."kind" = 'finish') AS n,
           count(*) FILTER (WHERE t."kind" = 'finish' AND t."status" = 'done') AS done,
           count(*) FILTER (WHERE t."kind" <> 'finish'
                            AND medq_task_is_open(t."status")) AS open_batches
    FROM "AiValidationTask" t WHERE t."jobId" = j."id"
) f
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND NOT EXISTS (SELECT FROM medq_adopted a WHERE a."kind" = 'job' AND a."name" = j."id")
  AND (f.n > 1 OR (f.n = 1 AND f.open_batches > 0)
       OR (j."status" = 'completed' AND (f.done <> 1 OR j."outputUrl" IS NULL))
       OR (j."outputUrl" IS NOT NULL AND f.done <> 1));

-- name: calls
-- A reply that is in the ledger has its text, a failed call its cause, and what is under way has cost nothing yet.
SELECT c."jobId", format('call %s is %s without %s', c."id", c."status",
           CASE c."status" WHEN 'succeeded' THEN 'a reply' ELSE 'a cause' END)
FROM "LlmCall" c
WHERE (CAST(:job_ids AS text[]) IS NULL OR c."jobId" = ANY(:job_ids))
  AND ((c."status" = 'succeeded' AND (c."response" IS NULL OR c."completedAt" IS NULL))
       OR (c."status" = 'failed' AND c."error" IS NULL))
UNION ALL
SELECT c."jobId", format('call %s is %s and cost %s', c."id", c."status", c."costUsd")
FROM "LlmCall" c
WHERE (CAST(:job_ids AS text[]) IS NULL OR c."jobId" = ANY(:job_ids))
  AND medq_call_is_open(c."status") AND c."costUsd" IS NOT NULL;

-- name: no_forgotten_call
-- No call stays open when the task that made it no longer runs.
SELECT c."jobId", format('call %s is open since %s', c."id", c."createdAt")
FROM "LlmCall" c
WHERE c."status" = 'started' AND c."createdAt" < medq_now() - make_interval(secs => :grace_s)
  AND NOT EXISTS (SELECT FROM "AiValidationTask" holder WHERE holder."id" = c."taskId"
                  AND holder."attempt" = c."attempt" AND holder."status" = 'running');

-- name: paused
-- Only a job that is being worked on is paused; a call refused just as its job was cancelled may leave its pause.
SELECT j."id", format('%s, paused until %s (%s)', j."status", held."until", held."reason")
FROM "AiValidationJob" j JOIN "AiValidationPause" held ON held."jobId" = j."id"
WHERE (CAST(:job_ids AS text[]) IS NULL OR j."id" = ANY(:job_ids))
  AND j."status" <> 'processing' AND held."reason" <> 'refused';

-- name: waiting
-- A task waits only for calls that wait, or whose batch is being read; a call that waits is in no batch that ended.
SELECT t."jobId", format('task %s waits for nothing', t."id")
FROM "AiValidationTask" t
WHERE (CAST(:job_ids AS text[]) IS NULL OR t."jobId" = ANY(:job_ids))
  AND t."status" = 'waiting' AND NOT EXISTS (
    SELECT FROM "LlmCall" awaited LEFT JOIN "LlmBatch" b ON b."id" = awaited."batchId"
    WHERE awaited."id" = ANY(t."waitsFor")
      AND (awaited."status" = 'waiting' OR medq_batch_is_open(b."status")))
UNION ALL
SELECT c."jobId", format('call %s waits in batch %s, which is %s', c."id", b."id", b."status")
FROM "LlmCall" c JOIN "LlmBatch" b ON b."id" = c."batchId"
WHERE (CAST(:job_ids AS text[]) IS NULL OR c."jobId" = ANY(:job_ids))
  AND c."status" = 'waiting' AND NOT medq_batch_is_open(b."status");

-- name: no_expired_lease
-- No task stays with a worker that let its lease run out.
SELECT t."jobId", format('task %s of %s expired at %s', t."id", t."leaseOwner", t."leaseExpiresAt")
FROM "AiValidationTask" t
WHERE (CAST(:job_ids AS text[]) IS NULL OR t."jobId" = ANY(:job_ids))
  AND t."status" = 'running' AND t."leaseExpiresAt" < medq_now() - make_interval(secs => :grace_s);

-- name: only_a_person_settles
-- A validated question has a person's decision, or a blind look that gives the key which a person's file states.
SELECT i."jobId", format('question %s is validated with %s, which the analysis gave (item %s)', q."id",
           COALESCE(q."correctAnswer", q."answer"), i."id")
FROM "AiValidationItem" i JOIN "Question" q ON q."id" = i."questionId"
WHERE (CAST(:job_ids AS text[]) IS NULL OR i."jobId" = ANY(:job_ids))
  AND i."status" IN ('completed', 'corrected') AND q."isValidated" AND q."validatedBy" IS NULL
  AND COALESCE(i."result" ->> 'key', i."result" ->> 'answer') = COALESCE(q."correctAnswer", q."answer")
  AND NOT EXISTS (SELECT 1 FROM "AiValidationDecision" d WHERE d."questionId" = q."id")
  AND NOT EXISTS (
    SELECT 1 FROM "AiValidationItem" giver WHERE giver."questionId" = q."id" AND giver."status" = 'confirmed'
      AND COALESCE(giver."question" ->> 'official_key', giver."question" ->> 'official_answer')
          = COALESCE(q."correctAnswer", q."answer"))
  AND NOT EXISTS (
    SELECT 1 FROM "AiValidationProvenance" gone WHERE gone."questionId" = q."id" AND gone."status" = 'confirmed'
      AND gone."official" = COALESCE(q."correctAnswer", q."answer"))
UNION ALL
SELECT i."jobId", format('item %s is confirmed with %s, which no look gives', i."id",
           COALESCE(i."question" ->> 'official_key', i."question" ->> 'official_answer'))
FROM "AiValidationItem" i
WHERE (CAST(:job_ids AS text[]) IS NULL OR i."jobId" = ANY(:job_ids))
  AND i."status" = 'confirmed' AND i."result" -> 'looks' IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM jsonb_array_elements(
        CASE jsonb_typeof(i."result" -> 'looks') WHEN 'array' THEN i."result" -> 'looks' END) look
    WHERE look ->> 'verdict' = 'upholds' OR look ->> 'key' = i."question" ->> 'official_key'
       -- Of two options with the same text, either letter says the same.
       OR (SELECT count(DISTINCT lower(text)) < count(*) FROM jsonb_each_text(
               CASE jsonb_typeof(i."question" -> 'options') WHEN 'object' THEN i."question" -> 'options' END)
           AS options (letter, text)));

-- name: stirring
-- Jobs that are open, or ended a short while ago.
SELECT "id" FROM "AiValidationJob"
WHERE medq_job_is_open("status") OR "completedAt" > medq_now() - make_interval(secs => :within_s);
