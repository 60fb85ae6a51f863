-- Where the platform files its questions: specialties and courses, found by what they are now, and its checks.

-- name: read_checks
-- The checks of the platform's questions, as they are defined now.
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass('"Question"') AND contype = 'c';

-- name: read_levels
-- The levels that questions have. From level to level along the index: a platform has a handful of them in a million
-- questions.
WITH RECURSIVE found AS (
    SELECT min("level") AS level FROM "Question"
    UNION ALL
    SELECT (SELECT min(q."level") FROM "Question" q WHERE q."level" > found.level) FROM found WHERE level IS NOT NULL
)
SELECT level FROM found WHERE level IS NOT NULL;

-- name: read_specialties
-- The specialties. Of several rows that are one name to a reader, the last of these is meant: an active one, and of
-- those the oldest.
SELECT "id", "name" FROM "Specialty" ORDER BY "isActive", "createdAt" DESC, "id";

-- name: read_courses
-- The courses of these specialties, in the same order.
SELECT "specialtyId", "id", "name" FROM "Course" WHERE "specialtyId" = ANY(:ids)
ORDER BY "specialtyId", "isActive", "createdAt" DESC, "id";

-- name: insert_specialty
-- A specialty that was missing; no row when somebody else made it meanwhile.
INSERT INTO "Specialty" ("id", "name", "updatedAt")
VALUES (:id, :name, timezone('UTC', clock_timestamp()))
ON CONFLICT DO NOTHING;

-- name: insert_course
-- A course that was missing; no row when somebody else made it meanwhile.
INSERT INTO "Course" ("id", "name", "specialtyId", "updatedAt")
VALUES (:id, :name, :specialty_id, timezone('UTC', clock_timestamp()))
ON CONFLICT DO NOTHING;
