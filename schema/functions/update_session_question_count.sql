-- How many questions every session has that a statement gave one to, or took one from.

CREATE OR REPLACE FUNCTION update_session_question_count() RETURNS TRIGGER AS $$
DECLARE
    session_ids TEXT[];
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            session_ids = ARRAY(SELECT DISTINCT "sessionId" FROM new_questions);
        WHEN 'DELETE' THEN
            session_ids = ARRAY(SELECT DISTINCT "sessionId" FROM old_questions);
        ELSE
            session_ids = ARRAY(SELECT "sessionId" FROM new_questions UNION SELECT "sessionId" FROM old_questions);
    END CASE;
    -- Locked before anything is counted, in one order: see calculate_user_session_score.
    PERFORM FROM "Session" WHERE "id" = ANY (session_ids) ORDER BY "id" FOR NO KEY UPDATE;
    UPDATE "Session" s
    SET "questionCount" = (SELECT count(*) FROM "SessionQuestion" q WHERE q."sessionId" = s."id")
    WHERE s."id" = ANY (session_ids);
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER session_question_count_trigger
    AFTER INSERT ON "SessionQuestion"
    REFERENCING NEW TABLE AS new_questions
    FOR EACH STATEMENT EXECUTE FUNCTION update_session_question_count();

CREATE OR REPLACE TRIGGER session_question_count_changed_trigger
    AFTER UPDATE ON "SessionQuestion"
    REFERENCING OLD TABLE AS old_questions NEW TABLE AS new_questions
    FOR EACH STATEMENT EXECUTE FUNCTION update_session_question_count();

CREATE OR REPLACE TRIGGER session_question_count_removed_trigger
    AFTER DELETE ON "SessionQuestion"
    REFERENCING OLD TABLE AS old_questions
    FOR EACH STATEMENT EXECUTE FUNCTION update_session_question_count();
