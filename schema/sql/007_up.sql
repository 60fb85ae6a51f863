-- How course passages are searched: full text in GIN with its vocabulary; trigrams and vectors where extensions allow.

-- `specialtyKey` is the specialty without accents, case and signs: two spellings of a name are one specialty.
ALTER TABLE "CourseDocument"
    ADD COLUMN IF NOT EXISTS "specialtyKey" TEXT,
    ADD COLUMN IF NOT EXISTS "chunkCount" INTEGER NOT NULL DEFAULT 0;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "CourseDocument_fileName_idx" ON "CourseDocument"("fileName");

-- `search` holds stems that the worker made, accents folded: neither `unaccent` nor a dictionary of the server is used.
ALTER TABLE "CourseChunk"
    ADD COLUMN IF NOT EXISTS "lastPage" INTEGER,
    ADD COLUMN IF NOT EXISTS "search" TSVECTOR;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "CourseChunk_search_idx" ON "CourseChunk" USING gin ("search");

-- Texts and vectors go out of line, so that the thousands of rows a search counts over stay in a few pages.
ALTER TABLE "CourseChunk" SET (toast_tuple_target = 128);

-- In how many passages each stem occurs: what makes a word rare, and so worth looking for.
CREATE TABLE IF NOT EXISTS "CourseTerm" (
    "term" TEXT NOT NULL,
    "chunkCount" INTEGER NOT NULL,
    CONSTRAINT "CourseTerm_pkey" PRIMARY KEY ("term")
);

-- Trigrams over the vocabulary, for misspelled words. False where the server has no pg_trgm or this role may not add
-- it: search goes on without.
CREATE OR REPLACE FUNCTION medq_add_course_trigrams() RETURNS BOOLEAN AS $$
BEGIN
    IF to_regclass('"CourseTerm_term_trgm_idx"') IS NOT NULL THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        RETURN false;
    END IF;
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX IF NOT EXISTS "CourseTerm_term_trgm_idx" ON "CourseTerm" USING gin ("term" gin_trgm_ops);
    RETURN true;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    RETURN false;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

-- Vectors of one embedding model. False where the server has no pgvector or this role may not add it. The table is made
-- here and not above because it cannot exist without the extension, nor its index without the model's dimensions.
CREATE OR REPLACE FUNCTION medq_add_course_vectors(model TEXT, dimensions INTEGER) RETURNS BOOLEAN AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        RETURN false;
    END IF;
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
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;
