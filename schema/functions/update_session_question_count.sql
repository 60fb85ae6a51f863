-- The specification's: how many questions a session has.

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
