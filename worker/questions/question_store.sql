-- The platform's questions and clinical cases. Every write can be repeated safely.

-- name: write_questions
-- A question stays where it is; what it lost (its course or its case was removed) it is given again, in its specialty.
-- The specialty is NULL, which the table refuses, once the place is no longer what it was when it was read: renamed,
-- moved or gone.
INSERT INTO "Question" AS q ("id", "type", "questionText", "optionA", "optionB", "optionC", "optionD", "optionE",
    "correctAnswer", "answer", "explanation", "level", "semester", "specialtyId", "courseId", "clinicalCaseId",
    "difficulty", "isValidated", "validatedAt", "createdAt", "updatedAt")
SELECT r.id, r.type, r.text, r.a, r.b, r.c, r.d, r.e, r.key, r.answer, r.explanation, r.level, r.semester,
       CASE WHEN r.course_id IS NULL THEN r.specialty_id ELSE (
           SELECT s."id" FROM "Course" c JOIN "Specialty" s ON s."id" = c."specialtyId"
           WHERE c."id" = r.course_id AND c."name" = r.course AND s."id" = r.specialty_id
             AND s."name" = r.specialty) END,
       r.course_id, r.case_id, COALESCE(r.difficulty, 1), r.validated,
       CASE WHEN r.validated THEN timezone('UTC', clock_timestamp()) END, timezone('UTC', clock_timestamp()),
       timezone('UTC', clock_timestamp())
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, type text, text text, a text, b text, c text, d text,
    e text, key text, answer text, explanation text, level text, semester text, specialty_id text, specialty text,
    course_id text, course text, case_id text, difficulty int, validated boolean)
ORDER BY r.id
ON CONFLICT ("id") DO UPDATE SET
    -- What is validated stays as it is, whoever comes later.
    ("correctAnswer", "answer", "explanation", "level", "semester", "difficulty", "isValidated", "validatedAt") = (
        SELECT kept.* FROM (SELECT q."correctAnswer", q."answer", q."explanation", q."level", q."semester",
                                   q."difficulty", q."isValidated", q."validatedAt" WHERE q."isValidated"
                            UNION ALL
                            SELECT EXCLUDED."correctAnswer", EXCLUDED."answer", EXCLUDED."explanation",
                                   EXCLUDED."level", EXCLUDED."semester", EXCLUDED."difficulty",
                                   EXCLUDED."isValidated", EXCLUDED."validatedAt" WHERE NOT q."isValidated") kept),
    "updatedAt" = EXCLUDED."updatedAt",
    "courseId" = CASE WHEN q."specialtyId" = EXCLUDED."specialtyId"
        THEN COALESCE(q."courseId", EXCLUDED."courseId") ELSE q."courseId" END,
    "clinicalCaseId" = CASE WHEN q."specialtyId" = EXCLUDED."specialtyId"
        THEN COALESCE(q."clinicalCaseId", EXCLUDED."clinicalCaseId") ELSE q."clinicalCaseId" END
WHERE q."validatedBy" IS NULL AND q."id" <> ALL(CAST(:new_ids AS text[]))
  AND (NOT q."isValidated"
       AND (q."correctAnswer", q."answer", q."explanation", q."level", q."semester", q."difficulty", q."isValidated")
           IS DISTINCT FROM
           (EXCLUDED."correctAnswer", EXCLUDED."answer", EXCLUDED."explanation", EXCLUDED."level",
            EXCLUDED."semester", EXCLUDED."difficulty", EXCLUDED."isValidated")
       OR (q."specialtyId" = EXCLUDED."specialtyId"
           AND (q."courseId" IS NULL AND EXCLUDED."courseId" IS NOT NULL
                OR q."clinicalCaseId" IS NULL AND EXCLUDED."clinicalCaseId" IS NOT NULL)))
RETURNING q."id";

-- name: insert_cases
-- The cases that are there already stay as they are, whoever wrote them.
INSERT INTO "ClinicalCase" ("id", "title", "description", "specialtyId", "updatedAt")
SELECT r.id, r.title, r.text, r.specialty_id, timezone('UTC', clock_timestamp())
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id text, title text, text text, specialty_id text)
ORDER BY r.id
ON CONFLICT DO NOTHING;

-- name: read_cases
-- Which of these cases there are, and in which specialty.
SELECT "id", "specialtyId" FROM "ClinicalCase" WHERE "id" = ANY(:ids);

-- name: find_stored
-- What the platform holds already under these ids: its key or answer, whose word it is, and whether it has its course
-- and its clinical case.
SELECT "id", COALESCE("correctAnswer", "answer"), "isValidated", "validatedBy" IS NOT NULL, "specialtyId",
       "courseId" IS NOT NULL AND ("clinicalCaseId" IS NOT NULL OR "type" NOT LIKE 'cas%')
FROM "Question" WHERE "id" = ANY(:ids) ORDER BY "id";

-- name: lock_stored
-- The same, locked in the order of their ids.
SELECT "id", COALESCE("correctAnswer", "answer"), "isValidated", "validatedBy" IS NOT NULL, "specialtyId",
       "courseId" IS NOT NULL AND ("clinicalCaseId" IS NOT NULL OR "type" NOT LIKE 'cas%')
FROM "Question" WHERE "id" = ANY(:ids) ORDER BY "id" FOR UPDATE;
