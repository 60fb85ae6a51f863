DROP TRIGGER IF EXISTS medq_items_deleted_trigger ON "AiValidationItem";
DROP TRIGGER IF EXISTS medq_job_deleted_trigger ON "AiValidationJob";
DROP FUNCTION IF EXISTS medq_items_deleted();
DROP FUNCTION IF EXISTS medq_job_deleted();
DROP TABLE "AiValidationTombstone";
DROP TABLE "AiValidationProvenance";
DROP VIEW "LlmDailyTotal";
DROP TABLE "LlmTotal";
