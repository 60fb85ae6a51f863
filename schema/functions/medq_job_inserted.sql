-- A job that is inserted as "queued" gets its first task, and the workers hear of it, in the same transaction.

CREATE OR REPLACE FUNCTION medq_job_inserted() RETURNS TRIGGER AS $$
BEGIN
    PERFORM medq_add_task(NEW."id", 'prepare');
    PERFORM pg_notify('medq_task', NEW."id");
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_job_inserted_trigger
    AFTER INSERT ON "AiValidationJob"
    FOR EACH ROW
    WHEN (NEW."status" = 'queued')
    EXECUTE FUNCTION medq_job_inserted();
