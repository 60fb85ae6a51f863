DROP TRIGGER medq_call_repeated_trigger ON "LlmCall";
DROP TRIGGER medq_job_never_back_trigger ON "AiValidationJob";
DROP FUNCTION medq_call_repeated();
DROP FUNCTION medq_job_never_back();
