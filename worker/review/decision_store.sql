-- Decisions of people: what they stand on, read under locks, and the rows they write. What they mean is in `settle`.

-- name: find_content
-- The content of an item that holds a question, and its question where one was written.
SELECT "contentHash", "questionId" FROM "AiValidationItem" WHERE "id" = :id AND "question" IS NOT NULL;

-- name: lock_content
-- Decisions on one content take turns until their transactions end.
SELECT pg_advisory_xact_lock(hashtextextended('medq-decision:' || :content_hash, 0));

-- name: lock_question
-- The question as it stands, kept for the rest of the transaction.
SELECT to_jsonb(q) FROM "Question" q WHERE q."id" = :id FOR UPDATE;

-- name: find_same_content
-- The rows of this content that wait for a person, in whatever job.
SELECT "id", "jobId" FROM "AiValidationOpenItem" WHERE "contentHash" = :content_hash;

-- name: lock_jobs
-- The jobs of these rows and of the item, kept for the rest of the transaction, in one order.
SELECT j."id" FROM "AiValidationJob" j
WHERE j."id" = ANY(:ids) OR j."id" = (SELECT i."jobId" FROM "AiValidationItem" i WHERE i."id" = :item_id)
ORDER BY j."id" FOR NO KEY UPDATE;

-- name: lock_item
-- An item as a person decides on it. Its version is what she saw, in a word: it changes whenever the item, its question
-- or a decision about its content does. Where no question was written for the item, the one that stands under its
-- content counts.
SELECT i."id", i."jobId", i."status", i."question", i."contentHash", i."result", i."questionId",
       left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
           (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
            WHERE d."contentHash" = i."contentHash"),
           extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated",
           q."validatedBy")), 16) AS version
FROM "AiValidationItem" i
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."id" = :id FOR UPDATE OF i;

-- name: read_decisions
-- Everything that was decided about a content, the oldest first.
SELECT d."id", d."action", d."key", d."answer", d."explanation", d."comment", d."userId", d."previous", d."createdAt",
       COALESCE(u."name", u."email") AS "userName"
FROM "AiValidationDecision" d LEFT JOIN "User" u ON u."id" = d."userId"
WHERE d."contentHash" = :content_hash ORDER BY d."createdAt", d."id";

-- name: insert_decision
-- What a person decided.
INSERT INTO "AiValidationDecision" ("id", "itemId", "questionId", "contentHash", "action", "key", "answer",
    "explanation", "comment", "userId", "source", "shown", "previous", "createdAt")
VALUES (:id, :item_id, :question_id, :content_hash, :action, :key, :answer, :explanation, :comment, :user_id, :source,
    CAST(:shown AS jsonb), CAST(:previous AS jsonb),
    -- Decisions on one content are in one order, whatever the clock.
    GREATEST(timezone('UTC', clock_timestamp())::timestamp(3),
             (SELECT max("createdAt") + interval '1 millisecond' FROM "AiValidationDecision"
              WHERE "contentHash" = :content_hash)));

-- name: settle_question
-- What was decided, in the person's name.
UPDATE "Question" SET "correctAnswer" = :key, "answer" = :answer, "explanation" = :explanation,
    "isActive" = :is_active, "isValidated" = :is_validated,
    "validatedAt" = CASE WHEN :is_validated THEN timezone('UTC', clock_timestamp()) END,
    "validatedBy" = CASE WHEN :is_validated THEN :user_id END, "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id;

-- name: restore_question
-- A question as it was before a decision. Who validated it then may be gone by now.
UPDATE "Question" q SET "correctAnswer" = p."correctAnswer", "answer" = p."answer", "explanation" = p."explanation",
    "isActive" = p."isActive", "isValidated" = p."isValidated", "validatedAt" = p."validatedAt",
    "validatedBy" = (SELECT u."id" FROM "User" u WHERE u."id" = p."validatedBy"),
    "updatedAt" = timezone('UTC', clock_timestamp())
FROM jsonb_populate_record(NULL::"Question", CAST(:previous AS jsonb)) p
WHERE q."id" = :id;

-- name: remove_question
-- A question that the decision made goes with it, unless a student or a session has met it meanwhile.
DELETE FROM "Question" q WHERE q."id" = :id
  AND NOT EXISTS (SELECT 1 FROM "UserQuestionAnswer" a WHERE a."questionId" = q."id")
  AND NOT EXISTS (SELECT 1 FROM "SessionQuestion" s WHERE s."questionId" = q."id");

-- name: retire_question
-- A question that is not asked any more, and counts as nobody's.
UPDATE "Question" SET "isActive" = false, "isValidated" = false, "validatedAt" = NULL, "validatedBy" = NULL,
    "updatedAt" = timezone('UTC', clock_timestamp()) WHERE "id" = :id;

-- name: link_item
-- Say on the item where its question is, and on no other row of the same content in its job: of rows whose keys were in
-- conflict one is accepted, though each may be decided on after the other's decision was undone.
UPDATE "AiValidationItem" i SET "questionId" = CASE WHEN i."id" = d."id" THEN CAST(:question_id AS text) END
FROM "AiValidationItem" d
WHERE d."id" = :id AND i."jobId" = d."jobId"
  AND (i."id" = d."id" OR (i."contentHash" = d."contentHash" AND i."questionId" IS NOT NULL
                           AND medq_is_success(i."status")));

-- name: find_user
-- The active admin or maintainer with this e-mail or id.
SELECT "id" FROM "User"
WHERE ("id" = :user OR lower("email") = lower(:user)) AND "isActive" AND lower("role") IN ('admin', 'maintainer');

-- name: find_unexplained
-- What waits for an explanation under an item: a question that a person settled and nobody has explained.
SELECT i."jobId", i."question", i."contentHash", q."id" AS question_id, q."correctAnswer", q."answer", q."explanation",
       j."config"::text AS config, j."instructions"
FROM "AiValidationItem" i JOIN "AiValidationJob" j ON j."id" = i."jobId"
JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."id" = :id AND q."isValidated" AND q."validatedBy" IS NOT NULL AND starts_with(q."explanation", :missing);

-- name: explain_question
-- Only what still waits for it, and only for the key that it explains.
UPDATE "Question" SET "explanation" = :text || substr("explanation", length(:missing) + 1),
    "updatedAt" = timezone('UTC', clock_timestamp())
WHERE "id" = :id AND starts_with("explanation", :missing) AND "isValidated"
  AND COALESCE("correctAnswer", "answer") = :value;

-- name: read_open_versions
-- The versions (see lock_item) of the rows of a job that wait for a person.
SELECT i."id",
       left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
           (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
            WHERE d."contentHash" = i."contentHash"),
           extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated",
           q."validatedBy")), 16) AS version
FROM "AiValidationItem" i
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
JOIN "AiValidationOpenItem" w ON w."id" = i."id"
WHERE w."jobId" = :job_id;

-- name: count_open
-- How many rows of a job wait for a person.
SELECT count(*) FROM "AiValidationOpenItem" WHERE "jobId" = :job_id;

-- name: read_last_words
-- The last sentence of those of these jobs that are completed.
SELECT "id", "message" FROM "AiValidationJob" WHERE "id" = ANY(:ids) AND "status" = 'completed' ORDER BY "id";

-- name: set_message
-- Put a sentence on a job's row.
UPDATE "AiValidationJob" SET "message" = :message, "updatedAt" = timezone('UTC', clock_timestamp()) WHERE "id" = :id;

-- name: list_items
-- The rows of a job as a person decides on them, in the order of its file: those that follow a position, of one status
-- or of all. `stored` is the question's key or answer, explanation, and who validated it; `decision` the one that
-- stands.
SELECT i."id", i."jobId" AS job_id, i."sheet", i."rowNumber" AS row_number, i."position", i."type", i."status",
       i."reason", i."findings", i."question", i."result", i."questionId" AS question_id,
       CASE WHEN q."id" IS NOT NULL THEN jsonb_build_object('official', COALESCE(q."correctAnswer", q."answer"),
           'explanation', q."explanation", 'isActive', q."isActive", 'isValidated', q."isValidated",
           'validatedBy', q."validatedBy") END AS stored,
       EXISTS (SELECT 1 FROM "AiValidationOpenItem" o WHERE o."id" = i."id") AS is_open,
       (SELECT CASE WHEN sum(CASE d."action" WHEN 'undo' THEN -1 ELSE 1 END) > 0 THEN
            (array_agg(jsonb_build_object('id', d."id", 'action', d."action", 'key', d."key", 'answer', d."answer",
                'comment', d."comment", 'userId', d."userId", 'source', d."source", 'createdAt', d."createdAt")
                ORDER BY d."createdAt" DESC) FILTER (WHERE d."action" <> 'undo'))[1] END
        FROM "AiValidationDecision" d WHERE d."contentHash" = i."contentHash") AS decision,
       left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
           (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
            WHERE d."contentHash" = i."contentHash"),
           extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated",
           q."validatedBy")), 16) AS version, i."updatedAt" AS updated_at
FROM "AiValidationItem" i
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."jobId" = :job_id AND (CAST(:status AS text) IS NULL OR i."status" = :status) AND i."position" > :after
ORDER BY i."position" LIMIT CAST(:limit AS integer);

-- name: list_open_items
-- The same, of those rows that wait for a person.
SELECT i."id", i."jobId" AS job_id, i."sheet", i."rowNumber" AS row_number, i."position", i."type", i."status",
       i."reason", i."findings", i."question", i."result", i."questionId" AS question_id,
       CASE WHEN q."id" IS NOT NULL THEN jsonb_build_object('official', COALESCE(q."correctAnswer", q."answer"),
           'explanation', q."explanation", 'isActive', q."isActive", 'isValidated', q."isValidated",
           'validatedBy', q."validatedBy") END AS stored,
       EXISTS (SELECT 1 FROM "AiValidationOpenItem" o WHERE o."id" = i."id") AS is_open,
       (SELECT CASE WHEN sum(CASE d."action" WHEN 'undo' THEN -1 ELSE 1 END) > 0 THEN
            (array_agg(jsonb_build_object('id', d."id", 'action', d."action", 'key', d."key", 'answer', d."answer",
                'comment', d."comment", 'userId', d."userId", 'source', d."source", 'createdAt', d."createdAt")
                ORDER BY d."createdAt" DESC) FILTER (WHERE d."action" <> 'undo'))[1] END
        FROM "AiValidationDecision" d WHERE d."contentHash" = i."contentHash") AS decision,
       left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
           (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
            WHERE d."contentHash" = i."contentHash"),
           extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated",
           q."validatedBy")), 16) AS version, i."updatedAt" AS updated_at
FROM "AiValidationItem" i
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
JOIN "AiValidationOpenItem" w ON w."id" = i."id"
WHERE w."jobId" = :job_id AND (CAST(:status AS text) IS NULL OR i."status" = :status) AND i."position" > :after
ORDER BY i."position" LIMIT CAST(:limit AS integer);

-- name: read_items
-- The same, by their ids.
SELECT i."id", i."jobId" AS job_id, i."sheet", i."rowNumber" AS row_number, i."position", i."type", i."status",
       i."reason", i."findings", i."question", i."result", i."questionId" AS question_id,
       CASE WHEN q."id" IS NOT NULL THEN jsonb_build_object('official', COALESCE(q."correctAnswer", q."answer"),
           'explanation', q."explanation", 'isActive', q."isActive", 'isValidated', q."isValidated",
           'validatedBy', q."validatedBy") END AS stored,
       EXISTS (SELECT 1 FROM "AiValidationOpenItem" o WHERE o."id" = i."id") AS is_open,
       (SELECT CASE WHEN sum(CASE d."action" WHEN 'undo' THEN -1 ELSE 1 END) > 0 THEN
            (array_agg(jsonb_build_object('id', d."id", 'action', d."action", 'key', d."key", 'answer', d."answer",
                'comment', d."comment", 'userId', d."userId", 'source', d."source", 'createdAt', d."createdAt")
                ORDER BY d."createdAt" DESC) FILTER (WHERE d."action" <> 'undo'))[1] END
        FROM "AiValidationDecision" d WHERE d."contentHash" = i."contentHash") AS decision,
       left(md5(concat_ws('|', i."status", extract(epoch FROM i."updatedAt"), i."contentHash",
           (SELECT concat_ws('|', count(*), max(d."createdAt")) FROM "AiValidationDecision" d
            WHERE d."contentHash" = i."contentHash"),
           extract(epoch FROM q."updatedAt"), q."correctAnswer", q."answer", q."isActive", q."isValidated",
           q."validatedBy")), 16) AS version, i."updatedAt" AS updated_at
FROM "AiValidationItem" i
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."id" = ANY(:ids) ORDER BY i."id";

-- name: find_item_ids
-- Items whose id begins so, two at most. The ids alone, which an index holds: in most collations it cannot find a
-- beginning, and the rows are large.
SELECT "id" FROM "AiValidationItem" WHERE "id" LIKE :prefix ORDER BY "id" LIMIT 2;
