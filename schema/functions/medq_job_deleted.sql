-- Whoever deletes a job, its files are found: they go when the transaction has gone through, and not before.

CREATE OR REPLACE FUNCTION medq_job_deleted() RETURNS TRIGGER AS $$
BEGIN
    INSERT INTO "AiValidationTombstone" ("jobId", "fileUrl", "outputUrl", "createdAt")
    VALUES (OLD."id", OLD."fileUrl", OLD."outputUrl", medq_now())
    ON CONFLICT ("jobId") DO UPDATE
    SET "fileUrl" = EXCLUDED."fileUrl", "outputUrl" = EXCLUDED."outputUrl", "createdAt" = EXCLUDED."createdAt";
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_deleted_trigger
    AFTER DELETE ON "AiValidationJob"
    FOR EACH ROW EXECUTE FUNCTION medq_job_deleted();
