-- Courses are ranked by BM25: whose release made a document's stems, and how many it has.
-- 1: stems without frequencies. `medq courses reindex` makes the newer ones beside them, document by document.
ALTER TABLE "CourseDocument"
    ADD COLUMN IF NOT EXISTS "indexVersion" INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS "termCount" INTEGER NOT NULL DEFAULT 0;

-- What thousands of rows are counted by stays in the rows: beside a heading it went out of line, and each was fetched.
ALTER TABLE "CourseChunk" ALTER COLUMN "id" SET STORAGE PLAIN, ALTER COLUMN "documentId" SET STORAGE PLAIN;
