-- "retryAttempts" counts these rows: it changes in the transaction that writes one.

CREATE OR REPLACE FUNCTION medq_call_repeated() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "AiValidationJob" SET "retryAttempts" = COALESCE("retryAttempts", 0) + 1 WHERE "id" = NEW."jobId";
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_call_repeated_trigger
    AFTER INSERT ON "LlmCall"
    FOR EACH ROW
    WHEN (NEW."isRetry" AND NEW."jobId" IS NOT NULL)
    EXECUTE FUNCTION medq_call_repeated();
