DROP TRIGGER medq_items_deleted_trigger ON "AiValidationItem";
DROP TRIGGER medq_job_deleted_trigger ON "AiValidationJob";
DROP FUNCTION medq_items_deleted();
DROP FUNCTION medq_job_deleted();
DROP TABLE "AiValidationTombstone";
DROP TABLE "AiValidationProvenance";
DROP VIEW "LlmDailyTotal";
DROP TABLE "LlmTotal";
