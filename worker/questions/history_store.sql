-- What earlier jobs and people left of a content: read before rows are planned and before questions are written.

-- name: find_earlier
-- Rows that were read before with these contents (of each content the newest), with one of these texts of ours, or of
-- these ids.
SELECT e.*, j."originalFileName" AS file_name
FROM (
    SELECT i."id", i."jobId", i."status", i."contentHash", i."original", i."question", i."reason", i."result",
           i."questionId", i."createdAt", wanted.n
    FROM unnest(CAST(:hashes AS text[])) WITH ORDINALITY AS wanted(hash, n)
    CROSS JOIN LATERAL (
        SELECT * FROM "AiValidationItem" i WHERE i."contentHash" = wanted.hash AND i."result" IS NOT NULL
        ORDER BY i."createdAt" DESC LIMIT :most
    ) i
    UNION ALL
    SELECT i."id", i."jobId", i."status", i."contentHash", i."original", i."question", i."reason", i."result",
           i."questionId", i."createdAt", 0
    FROM "AiValidationItem" i WHERE i."textHash" = ANY(CAST(:texts AS text[]))
    UNION ALL
    SELECT i."id", i."jobId", i."status", i."contentHash", i."original", i."question", i."reason", i."result",
           i."questionId", i."createdAt", 0
    FROM "AiValidationItem" i WHERE i."id" = ANY(CAST(:ids AS text[])) AND i."result" IS NOT NULL
) e JOIN "AiValidationJob" j ON j."id" = e."jobId"
WHERE e."question" IS NOT NULL
ORDER BY e."createdAt" DESC, e."id";

-- name: find_questions
-- The questions that stand under these ids.
SELECT q."id", q."type", q."questionText", q."optionA", q."optionB", q."optionC", q."optionD", q."optionE",
       COALESCE(q."correctAnswer", q."answer") AS official, q."isValidated", q."validatedBy" IS NOT NULL AS by_person,
       q."explanation" ~ E'(^|\n)Image.:' AS has_image,
       k."description" AS case_text, s."name" AS specialty, c."name" AS course
FROM "Question" q
LEFT JOIN "ClinicalCase" k ON k."id" = q."clinicalCaseId"
LEFT JOIN "Specialty" s ON s."id" = q."specialtyId"
LEFT JOIN "Course" c ON c."id" = q."courseId"
WHERE q."id" = ANY(:ids);

-- name: find_questions_by_text
-- The questions of these courses that ask one of these texts. By course, which has an index: one over what questions
-- ask would cost every question that is ever written.
SELECT q."id", q."type", q."questionText", q."optionA", q."optionB", q."optionC", q."optionD", q."optionE",
       COALESCE(q."correctAnswer", q."answer") AS official, q."isValidated", q."validatedBy" IS NOT NULL AS by_person,
       q."explanation" ~ E'(^|\n)Image.:' AS has_image,
       k."description" AS case_text, s."name" AS specialty, c."name" AS course
FROM "Question" q
LEFT JOIN "ClinicalCase" k ON k."id" = q."clinicalCaseId"
LEFT JOIN "Specialty" s ON s."id" = q."specialtyId"
LEFT JOIN "Course" c ON c."id" = q."courseId"
WHERE q."courseId" = ANY(CAST(:course_ids AS text[]))
  AND medq_fold(q."questionText") IN (SELECT medq_fold(wanted) FROM unnest(CAST(:texts AS text[])) wanted);

-- name: read_courses
-- Courses that have questions.
SELECT s."name", c."name", c."id" FROM "Course" c JOIN "Specialty" s ON s."id" = c."specialtyId"
WHERE EXISTS (SELECT 1 FROM "Question" q WHERE q."courseId" = c."id");

-- name: find_givers
-- From which file a stored key is. Of the rows that were written under the question, those that say anything of its
-- key.
SELECT i."questionId", i."status", i."jobId", j."originalFileName" AS file_name,
       COALESCE(i."question" ->> 'official_key', i."question" ->> 'official_answer') AS official,
       COALESCE(i."result" ->> 'key', i."result" ->> 'answer') AS value,
       i."question" ->> 'explanation' IS NOT NULL OR i."question" -> 'option_explanations' <> '{}'::jsonb AS has_text,
       i."createdAt" AS at, i."id"
FROM "AiValidationItem" i JOIN "AiValidationJob" j ON j."id" = i."jobId"
WHERE i."questionId" = ANY(:ids) AND medq_is_success(i."status")
UNION ALL
SELECT gone."questionId", gone."status", NULL, NULL, gone."official", gone."value", gone."hasText", gone."createdAt",
       gone."id"
FROM "AiValidationProvenance" gone WHERE gone."questionId" = ANY(:ids)
ORDER BY at DESC, "id";

-- name: find_traces
-- What is known of removed rows with these contents, or with one of these texts of ours.
SELECT gone."contentHash", gone."official", gone."textHash",
       CASE WHEN medq_is_fix(gone."status") THEN gone."value" END AS value
FROM "AiValidationProvenance" gone
WHERE gone."contentHash" = ANY(CAST(:hashes AS text[])) OR gone."textHash" = ANY(CAST(:texts AS text[]));
