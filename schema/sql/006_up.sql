-- Course documents cut into passages, for retrieval. How they are searched is added by a later revision.

CREATE TABLE IF NOT EXISTS "CourseDocument" (
    "id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "fileName" TEXT NOT NULL,
    "contentHash" TEXT NOT NULL,
    "level" TEXT,
    "specialty" TEXT,
    "course" TEXT,
    "source" TEXT,
    "pageCount" INTEGER,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "CourseDocument_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX IF NOT EXISTS "CourseDocument_contentHash_key" ON "CourseDocument"("contentHash");

CREATE TABLE IF NOT EXISTS "CourseChunk" (
    "id" TEXT NOT NULL,
    "documentId" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "page" INTEGER,
    "heading" TEXT,
    "text" TEXT NOT NULL,
    CONSTRAINT "CourseChunk_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "CourseChunk_documentId_fkey"
        FOREIGN KEY ("documentId") REFERENCES "CourseDocument"("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX IF NOT EXISTS "CourseChunk_documentId_position_key" ON "CourseChunk"("documentId", "position");
