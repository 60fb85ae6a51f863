-- The extensions stay: somebody else may use them by now.

DROP FUNCTION medq_add_course_vectors(TEXT, INTEGER), medq_add_course_trigrams();
DROP TABLE IF EXISTS "CourseVector";
DROP TABLE "CourseTerm";
ALTER TABLE "CourseChunk" RESET (toast_tuple_target);
ALTER TABLE "CourseChunk" DROP COLUMN "search", DROP COLUMN "lastPage";
DROP INDEX "CourseDocument_fileName_idx";
ALTER TABLE "CourseDocument" DROP COLUMN "chunkCount", DROP COLUMN "specialtyKey";
