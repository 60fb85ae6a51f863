-- A passage of a course that gives orders to whoever answers is kept out of the search until somebody allows it.
ALTER TABLE "CourseChunk"
    ADD COLUMN IF NOT EXISTS "heldFor" TEXT,
    ADD COLUMN IF NOT EXISTS "allowedAt" TIMESTAMP(3);

-- By which rules a document was looked at for orders. `medq courses reindex` looks at those of before.
ALTER TABLE "CourseDocument"
    ADD COLUMN IF NOT EXISTS "ordersVersion" INTEGER NOT NULL DEFAULT 0;
