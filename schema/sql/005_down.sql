-- Jobs stay as rows; their tasks, their items and the books of calls go.

DROP TRIGGER medq_job_inserted_trigger ON "AiValidationJob";
DROP TRIGGER medq_job_status_trigger ON "AiValidationJob";
DROP FUNCTION medq_job_status_changed();
DROP FUNCTION medq_job_inserted();
DROP FUNCTION medq_cancelled_message(INTEGER, INTEGER);
DROP FUNCTION medq_resume_tasks(TEXT);
DROP FUNCTION medq_ready_tasks(TEXT[]);
DROP FUNCTION medq_cancel_tasks(TEXT);
DROP FUNCTION medq_add_task(TEXT, TEXT);
DROP FUNCTION medq_job_figures(TEXT);
DROP TABLE "LlmCall", "AiValidationItem", "AiValidationTask";
DROP FUNCTION medq_new_id();
DROP FUNCTION medq_now();
