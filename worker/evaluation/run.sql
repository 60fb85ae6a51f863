-- How good a model is at this task, before anybody trusts it: a real job on questions whose keys are known.

-- name: read_items
-- What became of each row of a job, and the key that its question has now.
SELECT i."sheet", i."rowNumber", i."status", i."result", COALESCE(q."correctAnswer", q."answer") AS kept
FROM "AiValidationItem" i LEFT JOIN "Question" q ON q."id" = i."questionId" WHERE i."jobId" = :id
ORDER BY i."position";

-- name: sum_spent
-- What a job's calls came to.
SELECT count(*), COALESCE(sum("questionCount"), 0), sum("costUsd") FROM "LlmCall" WHERE "jobId" = :id;

-- name: read_progress
-- How far a job is, and why it failed.
SELECT "status", "processedItems", "totalItems", "errorMessage" FROM "AiValidationJob" WHERE "id" = :id;
