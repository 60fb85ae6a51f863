-- Items and the job's figures: both written in the same transaction, so that they agree in every snapshot.

-- name: load_pending
-- The items of a batch that have no outcome yet, in the order of the file.
SELECT "id", "question", "contentHash" FROM "AiValidationItem"
WHERE "taskId" = :task_id AND "status" = 'pending' AND "duplicateOfId" IS NULL ORDER BY "position";

-- name: conclude_duplicates
-- The rows that repeat these, which have failed. A repeat shares the outcome of the row it points to. Where that row
-- turned out to repeat a question that a person validated, so does this one: it points to no row, as if `prepare` had
-- seen it. No chain of repeats ever arises.
UPDATE "AiValidationItem" d
SET "status" = 'duplicate', "questionId" = p."questionId", "updatedAt" = timezone('UTC', clock_timestamp()),
    "duplicateOfId" = CASE WHEN p."status" <> 'duplicate' THEN p."id" END,
    "reason" = CASE WHEN p."status" = 'duplicate' THEN p."reason"
        ELSE 'Même contenu que la ligne ' || p."rowNumber" || ' de la feuille « ' || p."sheet" || ' ».'
            || CASE WHEN p."status" IN ('failed', 'rejected')
                    THEN ' Celle-ci n''a pas pu être analysée.' ELSE '' END END
FROM "AiValidationItem" p
WHERE d."duplicateOfId" = p."id" AND d."status" = 'pending' AND p."id" = ANY(:ids)
RETURNING p."id";

-- name: fail_pending
-- Every item without an outcome, of a job or of one task, has failed, its repeats with it.
UPDATE "AiValidationItem" SET "status" = CASE WHEN "duplicateOfId" IS NULL THEN 'failed' ELSE 'duplicate' END,
       "reason" = :reason, "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "jobId" = :job_id AND "status" = 'pending' AND (CAST(:task_id AS text) IS NULL OR "taskId" = :task_id)
RETURNING "id";

-- name: count_figures
-- Every figure of a job's row, counted from its items.
UPDATE "AiValidationJob" j SET
    "totalItems" = f."totalItems", "processedItems" = f."processedItems",
    "successfulAnalyses" = f."successfulAnalyses", "failedAnalyses" = f."failedAnalyses",
    "fixedCount" = f."fixedCount", "ragAppliedCount" = f."ragAppliedCount",
    "totalBatches" = f."totalBatches", "currentBatch" = f."currentBatch",
    "retryAttempts" = f."retryAttempts",
    "progress" = GREATEST(j."progress", medq_progress_percent(f."processedItems", f."totalItems")),
    "message" = COALESCE(:message, medq_progress_message(f."processedItems", f."totalItems")),
    "updatedAt" = timezone('UTC', clock_timestamp())
FROM medq_job_figures(:job_id) f
WHERE j."id" = :job_id;

-- name: add_finding
-- Note something on these items, once of each code.
UPDATE "AiValidationItem" SET "findings" = "findings" || CAST(:finding AS jsonb)
WHERE "id" = ANY(:ids) AND NOT "findings" @> CAST(:same AS jsonb);

-- name: conclude
-- Outcomes, those of the repeats, the few figures that a batch changes, and the finish task when it was the last: one
-- statement, for every other batch of the job waits for its row meanwhile.
WITH concluded AS (
    UPDATE "AiValidationItem" i
    SET "status" = r.status, "reason" = r.reason, "result" = r.result, "ragApplied" = r.rag,
        "questionId" = r.question_id, "textHash" = r.text_hash, "updatedAt" = timezone('UTC', clock_timestamp())
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(id text, status text, reason text, result jsonb, rag boolean, question_id text, text_hash text)
    WHERE i."id" = r.id AND i."status" = 'pending'
    RETURNING i."id", i."status", i."sheet", i."rowNumber", i."questionId", i."ragApplied", i."reason"
), repeated AS (
    UPDATE "AiValidationItem" d
    SET "status" = 'duplicate', "questionId" = p."questionId", "updatedAt" = timezone('UTC', clock_timestamp()),
        "duplicateOfId" = CASE WHEN p."status" <> 'duplicate' THEN p."id" END,
        "reason" = CASE WHEN p."status" = 'duplicate' THEN p."reason"
            ELSE 'Même contenu que la ligne ' || p."rowNumber" || ' de la feuille « ' || p."sheet" || ' ».'
                || CASE WHEN p."status" IN ('failed', 'rejected')
                        THEN ' Celle-ci n''a pas pu être analysée.' ELSE '' END END
    FROM concluded p
    WHERE d."duplicateOfId" = p."id" AND d."status" = 'pending'
    RETURNING p."status"
), added AS (
    SELECT count(*) AS processed,
           count(*) FILTER (WHERE medq_is_success("status") OR "status" = 'duplicate') AS successful,
           count(*) FILTER (WHERE medq_is_fix("status") AND is_first) AS fixed,
           count(*) FILTER (WHERE rag) AS rag
    FROM (SELECT "status", "ragApplied" AS rag, TRUE AS is_first FROM concluded
          UNION ALL SELECT "status", FALSE, FALSE FROM repeated) ended
), figures AS (
    UPDATE "AiValidationJob" j SET
        "processedItems" = j."processedItems" + a.processed,
        "successfulAnalyses" = j."successfulAnalyses" + a.successful,
        "failedAnalyses" = j."failedAnalyses" + a.processed - a.successful,
        "fixedCount" = j."fixedCount" + a.fixed,
        "ragAppliedCount" = j."ragAppliedCount" + a.rag,
        "currentBatch" = CASE
            WHEN j."currentBatch" > 1 THEN LEAST(j."currentBatch" + 1, j."totalBatches")
            WHEN (SELECT count(*) FROM (SELECT 1 FROM "AiValidationTask" t WHERE t."jobId" = j."id"
                  AND t."kind" = 'analyse' AND medq_task_is_done(t."status") LIMIT 2) ended) > 1 THEN 2
            ELSE 1 END,
        "progress" = GREATEST(j."progress",
                              medq_progress_percent(j."processedItems" + a.processed::int, j."totalItems")),
        "message" = medq_progress_message(j."processedItems" + a.processed::int, j."totalItems"),
        "updatedAt" = timezone('UTC', clock_timestamp())
    FROM added a
    WHERE j."id" = :job_id
)
SELECT medq_ready_finish(:job_id);

-- name: stream_report_rows
-- The items of a job in the order of the file; of one type, of these statuses, of these ids, or of all.
SELECT "id", "sheet", "rowNumber", "type", "original", "status", "reason", "findings", "result", "question"
FROM "AiValidationItem"
WHERE "jobId" = :job_id
  AND (CAST(:type AS text) IS NULL OR "type" = :type)
  AND (CAST(:statuses AS text[]) IS NULL OR "status" = ANY(:statuses))
  AND (CAST(:ids AS text[]) IS NULL OR "id" = ANY(:ids))
ORDER BY "position";

-- name: count_outcomes
-- How many items of a job stand at each status.
SELECT "status", count(*) FROM "AiValidationItem" WHERE "jobId" = :job_id GROUP BY 1;
