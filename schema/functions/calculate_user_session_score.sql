-- The specification's: what a student's session came to.

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
