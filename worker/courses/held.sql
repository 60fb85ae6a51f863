-- Passages of courses that give orders: kept out of the search until somebody allows them. Run by held.py.

-- name: read_allowed
-- The orders of passages, one on a line, that somebody allowed in the document of this file name.
SELECT c."heldFor", c."allowedAt" FROM "CourseChunk" c JOIN "CourseDocument" d ON d."id" = c."documentId"
WHERE d."fileName" = :file_name AND c."allowedAt" IS NOT NULL;

-- name: list_held
-- The passages that are kept out, of the document with this content, or of all where none is given.
SELECT c."id", d."id", d."title", c."page", c."heldFor"
FROM "CourseChunk" c JOIN "CourseDocument" d ON d."id" = c."documentId"
WHERE c."heldFor" IS NOT NULL AND c."allowedAt" IS NULL
  AND (CAST(:hash AS text) IS NULL OR d."contentHash" = CAST(:hash AS text))
ORDER BY d."title", d."id", c."position";

-- name: allow
-- Somebody allows these passages; the document of each, whose stems are then made anew.
UPDATE "CourseChunk" SET "allowedAt" = :now
WHERE "id" = ANY(CAST(:ids AS text[])) AND "heldFor" IS NOT NULL AND "allowedAt" IS NULL
RETURNING "documentId";
