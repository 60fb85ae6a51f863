-- Makes tasks ready as if they had never been claimed; their attempt goes on counting, for the fence.

CREATE OR REPLACE FUNCTION medq_ready_tasks(task_ids TEXT[]) RETURNS VOID AS $$
    UPDATE "AiValidationTask"
    SET "status" = 'ready', "deaths" = 0, "leaseOwner" = NULL, "leaseExpiresAt" = NULL, "notBefore" = NULL,
        "errorMessage" = NULL, "startedAt" = NULL, "completedAt" = NULL
    WHERE "id" = ANY (task_ids);
$$ LANGUAGE sql SET search_path FROM CURRENT;
