-- The next `medq ingest` adds the trigrams again, where the server can.
DROP INDEX "CourseTerm_end_idx";
DROP INDEX "CourseTerm_beginning_idx";

CREATE OR REPLACE FUNCTION medq_add_course_trigrams() RETURNS BOOLEAN AS $$
BEGIN
    IF to_regclass('"CourseTerm_term_trgm_idx"') IS NOT NULL THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        RETURN false;
    END IF;
    -- Two at once would both find it missing, and one of them fail.
    PERFORM pg_advisory_xact_lock(hashtextextended('medq course extensions', 0));
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX IF NOT EXISTS "CourseTerm_term_trgm_idx" ON "CourseTerm" USING gin ("term" gin_trgm_ops);
    RETURN true;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    RETURN false;
END;
$$ LANGUAGE plpgsql;
