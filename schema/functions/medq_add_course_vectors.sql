-- Vectors of one embedding model. False where the server has no pgvector or this role may not add it. The table is made
-- here and not above because it cannot exist without the extension, nor its index without the model's dimensions.

CREATE OR REPLACE FUNCTION medq_add_course_vectors(model TEXT, dimensions INTEGER) RETURNS BOOLEAN AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        RETURN false;
    END IF;
    -- Two at once would both find it missing, and one of them fail.
    PERFORM pg_advisory_xact_lock(hashtextextended('medq course extensions', 0));
    CREATE EXTENSION IF NOT EXISTS vector;
    CREATE TABLE IF NOT EXISTS "CourseVector" (
        "chunkId" TEXT NOT NULL,
        "model" TEXT NOT NULL,
        "embedding" vector NOT NULL,
        CONSTRAINT "CourseVector_pkey" PRIMARY KEY ("chunkId", "model"),
        CONSTRAINT "CourseVector_chunkId_fkey"
            FOREIGN KEY ("chunkId") REFERENCES "CourseChunk"("id") ON DELETE CASCADE ON UPDATE CASCADE
    );
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS %I ON "CourseVector"'
        ' USING hnsw (("embedding"::vector(%s)) vector_cosine_ops) WHERE "model" = %L',
        'CourseVector_' || substr(md5(model), 1, 12) || '_idx', dimensions, model);
    RETURN true;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    RETURN false;
END;
$$ LANGUAGE plpgsql;
