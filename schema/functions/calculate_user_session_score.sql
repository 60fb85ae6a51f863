-- The figures of every session that a statement gave an answer to, or took one from. An answer that nobody judged
-- ("isCorrect" is NULL) counts as unanswered, so that right, wrong and unanswered add up to the total.

CREATE OR REPLACE FUNCTION calculate_user_session_score() RETURNS TRIGGER AS $$
DECLARE
    session_ids TEXT[];
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            session_ids = ARRAY(SELECT DISTINCT "userSessionId" FROM new_answers);
        WHEN 'DELETE' THEN
            session_ids = ARRAY(SELECT DISTINCT "userSessionId" FROM old_answers);
        ELSE -- both sessions of an answer that moved
            session_ids = ARRAY(SELECT "userSessionId" FROM new_answers UNION SELECT "userSessionId" FROM old_answers);
    END CASE;
    -- Locked before anything is counted: what others write at the same time is waited for, and then counted too. In the
    -- order of their ids, so that nobody waits in a circle.
    PERFORM FROM "UserSession" WHERE "id" = ANY (session_ids) ORDER BY "id" FOR NO KEY UPDATE;
    UPDATE "UserSession" s
    SET "totalQuestions" = c.total, "correctAnswers" = c.correct, "incorrectAnswers" = c.incorrect,
        "unansweredQuestions" = c.total - c.correct - c.incorrect,
        "score" = CASE WHEN c.total = 0 THEN 0 ELSE round(100.0 * c.correct::numeric / c.total::numeric, 2) END
    FROM (
        SELECT touched."id", (count(*) FILTER (WHERE a."id" IS NOT NULL))::int AS total,
               (count(*) FILTER (WHERE a."isCorrect"))::int AS correct,
               (count(*) FILTER (WHERE NOT a."isCorrect"))::int AS incorrect
        FROM "UserSession" touched
        LEFT JOIN "UserQuestionAnswer" a ON a."userSessionId" = touched."id"
        WHERE touched."id" = ANY (session_ids)
        GROUP BY touched."id"
    ) c
    WHERE s."id" = c."id";
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER user_session_score_trigger
    AFTER INSERT ON "UserQuestionAnswer"
    REFERENCING NEW TABLE AS new_answers
    FOR EACH STATEMENT EXECUTE FUNCTION calculate_user_session_score();

CREATE OR REPLACE TRIGGER user_session_score_changed_trigger
    AFTER UPDATE ON "UserQuestionAnswer"
    REFERENCING OLD TABLE AS old_answers NEW TABLE AS new_answers
    FOR EACH STATEMENT EXECUTE FUNCTION calculate_user_session_score();

CREATE OR REPLACE TRIGGER user_session_score_removed_trigger
    AFTER DELETE ON "UserQuestionAnswer"
    REFERENCING OLD TABLE AS old_answers
    FOR EACH STATEMENT EXECUTE FUNCTION calculate_user_session_score();
