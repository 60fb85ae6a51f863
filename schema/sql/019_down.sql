-- The newer stems go. A document that was never indexed by the older release is to be read again by its `medq ingest`,
-- which takes it for changed.
UPDATE "CourseDocument" SET "contentHash" = 'outdated ' || "id" WHERE "indexVersion" > 1;
DELETE FROM "CourseTerm" WHERE "term" LIKE '%\_%';
ALTER TABLE "CourseChunk" ALTER COLUMN "id" SET STORAGE EXTENDED, ALTER COLUMN "documentId" SET STORAGE EXTENDED;
ALTER TABLE "CourseDocument" DROP COLUMN "termCount", DROP COLUMN "indexVersion";
