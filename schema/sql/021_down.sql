-- What is held stays out of the search: its stems were never made. The release before reads such a document anew once it
-- is removed and ingested again.
ALTER TABLE "CourseDocument" DROP COLUMN "ordersVersion";
ALTER TABLE "CourseChunk" DROP COLUMN "allowedAt", DROP COLUMN "heldFor";
