-- Functions and triggers as they were: the caller's rights, no law for a client's writes, the specification's own.
DROP TRIGGER IF EXISTS medq_job_begins_trigger ON "AiValidationJob";
DROP TRIGGER IF EXISTS medq_job_guard_trigger ON "AiValidationJob";
DROP TRIGGER IF EXISTS medq_task_stays_trigger ON "AiValidationTask";
DROP TRIGGER IF EXISTS medq_item_stays_trigger ON "AiValidationItem";
DROP TRIGGER IF EXISTS medq_outcome_stays_trigger ON "AiValidationItem";
DROP TRIGGER IF EXISTS user_session_score_changed_trigger ON "UserQuestionAnswer";
DROP TRIGGER IF EXISTS user_session_score_removed_trigger ON "UserQuestionAnswer";
DROP TRIGGER IF EXISTS session_question_count_changed_trigger ON "SessionQuestion";
DROP TRIGGER IF EXISTS session_question_count_removed_trigger ON "SessionQuestion";

CREATE OR REPLACE FUNCTION medq_job_inserted() RETURNS TRIGGER AS $$
BEGIN
    PERFORM medq_add_task(NEW."id", 'prepare');
    PERFORM pg_notify('medq_task', NEW."id");
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_call_repeated() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "AiValidationJob" SET "retryAttempts" = COALESCE("retryAttempts", 0) + 1 WHERE "id" = NEW."jobId";
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_resume_tasks(job_id TEXT) RETURNS VOID AS $$
DECLARE
    prepare_id TEXT;
    prepare_status TEXT;
    open_ids TEXT[];
BEGIN
    PERFORM FROM "AiValidationTask" WHERE "jobId" = job_id ORDER BY "id" FOR UPDATE;

    SELECT "id", "status" INTO prepare_id, prepare_status
    FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'prepare';
    IF prepare_id IS NULL THEN
        PERFORM medq_add_task(job_id, 'prepare');
        RETURN;
    ELSIF prepare_status <> 'done' THEN
        PERFORM medq_ready_tasks(ARRAY[prepare_id]);
        RETURN;
    END IF;

    UPDATE "AiValidationItem" item
    SET "status" = 'pending', "result" = NULL, "reason" = NULL, "questionId" = NULL, "ragApplied" = false,
        "updatedAt" = medq_now()
    WHERE item."jobId" = job_id AND (
        item."status" = 'failed'
        OR (item."status" = 'duplicate' AND EXISTS (
            SELECT FROM "AiValidationItem" twin
            WHERE twin."id" = item."duplicateOfId" AND twin."status" = 'failed')));

    SELECT array_agg(task."id") INTO open_ids
    FROM "AiValidationTask" task
    WHERE task."jobId" = job_id AND task."kind" = 'analyse' AND EXISTS (
        SELECT FROM "AiValidationItem" item WHERE item."taskId" = task."id" AND item."status" = 'pending');
    PERFORM medq_ready_tasks(open_ids);

    DELETE FROM "AiValidationTask" WHERE "jobId" = job_id AND "kind" = 'finish';
    IF open_ids IS NULL THEN
        PERFORM medq_add_task(job_id, 'finish');
    END IF;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION medq_job_status_changed() RETURNS TRIGGER AS $$
DECLARE
    -- A job of before this project came: whoever began it may end it, until it is queued again.
    is_adopted BOOLEAN := EXISTS (SELECT FROM medq_adopted WHERE "kind" = 'job' AND "name" = OLD."id");
BEGIN
    IF NOT (
        (is_adopted AND OLD."status" <> 'queued')
        OR (OLD."status" = 'queued' AND NEW."status" IN ('processing', 'failed', 'cancelled'))
        OR (OLD."status" = 'processing' AND NEW."status" IN ('completed', 'failed', 'cancelled'))
        OR (OLD."status" IN ('completed', 'failed', 'cancelled') AND NEW."status" = 'queued')
    ) THEN
        RAISE EXCEPTION 'A job cannot go from "%" to "%"', OLD."status", NEW."status"
            USING ERRCODE = 'check_violation', TABLE = 'AiValidationJob', COLUMN = 'status';
    END IF;

    IF NEW."status" = 'cancelled' THEN
        PERFORM medq_cancel_tasks(OLD."id");
        NEW."completedAt" = medq_now();
        NEW."updatedAt" = medq_now();
        NEW."message" = medq_cancelled_message(coalesce(OLD."processedItems", 0), coalesce(OLD."totalItems", 0));
    ELSIF NEW."status" = 'queued' THEN
        PERFORM medq_resume_tasks(OLD."id");
        NEW."errorMessage" = NULL;
        NEW."outputUrl" = NULL;
        NEW."startedAt" = NULL;
        NEW."completedAt" = NULL;
        NEW."updatedAt" = medq_now();
        NEW."message" = 'En file d''attente pour une reprise.';
        PERFORM pg_notify('medq_task', OLD."id");
    END IF;

    IF NEW."status" = 'queued' OR (is_adopted AND NEW."status" = 'processing') THEN
        DELETE FROM medq_adopted WHERE is_adopted AND "kind" = 'job' AND "name" = OLD."id";
        SELECT * INTO NEW."totalItems", NEW."processedItems", NEW."successfulAnalyses", NEW."failedAnalyses",
            NEW."fixedCount", NEW."ragAppliedCount", NEW."retryAttempts", NEW."totalBatches", NEW."currentBatch"
        FROM medq_job_figures(OLD."id");
        NEW."progress" = 0;
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE FUNCTION calculate_user_session_score()
RETURNS TRIGGER AS $$
BEGIN
    UPDATE "UserSession"
    SET
        "totalQuestions" = (
            SELECT COUNT(*)
            FROM "UserQuestionAnswer"
            WHERE "userSessionId" = NEW."userSessionId"
        ),
        "correctAnswers" = (
            SELECT COUNT(*)
            FROM "UserQuestionAnswer"
            WHERE "userSessionId" = NEW."userSessionId" AND "isCorrect" = true
        ),
        "incorrectAnswers" = (
            SELECT COUNT(*)
            FROM "UserQuestionAnswer"
            WHERE "userSessionId" = NEW."userSessionId" AND "isCorrect" = false
        ),
        "score" = (
            SELECT CASE
                WHEN COUNT(*) = 0 THEN 0
                ELSE ROUND(
                    (COUNT(*) FILTER (WHERE "isCorrect" = true) * 100.0) / COUNT(*),
                    2
                )
            END
            FROM "UserQuestionAnswer"
            WHERE "userSessionId" = NEW."userSessionId"
        )
    WHERE "id" = NEW."userSessionId";
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER user_session_score_trigger
    AFTER INSERT OR UPDATE ON "UserQuestionAnswer"
    FOR EACH ROW
    WHEN (NEW."userSessionId" IS NOT NULL)
    EXECUTE FUNCTION calculate_user_session_score();

CREATE OR REPLACE FUNCTION update_session_question_count()
RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE "Session"
        SET "questionCount" = (
            SELECT COUNT(*)
            FROM "SessionQuestion"
            WHERE "sessionId" = NEW."sessionId"
        )
        WHERE "id" = NEW."sessionId";
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE "Session"
        SET "questionCount" = (
            SELECT COUNT(*)
            FROM "SessionQuestion"
            WHERE "sessionId" = OLD."sessionId"
        )
        WHERE "id" = OLD."sessionId";
        RETURN OLD;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER session_question_count_trigger
    AFTER INSERT OR DELETE ON "SessionQuestion"
    FOR EACH ROW
    EXECUTE FUNCTION update_session_question_count();

GRANT EXECUTE ON FUNCTION medq_job_inserted(), medq_call_repeated(), medq_job_status_changed(), medq_job_never_back(),
    medq_decision_stays() TO PUBLIC;
GRANT EXECUTE ON FUNCTION validate_clinical_case_assignment() TO PUBLIC;
GRANT EXECUTE ON FUNCTION calculate_user_session_score() TO PUBLIC;
GRANT EXECUTE ON FUNCTION update_session_question_count() TO PUBLIC;

DROP FUNCTION IF EXISTS medq_job_begins(), medq_job_guarded(), medq_rows_stay(), medq_outcome_stays(),
    medq_mend_job(TEXT), medq_give_tasks(TEXT), medq_is_worker(), medq_by_worker(), medq_is_time(TIMESTAMP);
