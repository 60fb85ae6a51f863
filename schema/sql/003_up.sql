-- The specification joins a user's sessions with the same user's answers: two sessions and three answers made six
-- rows, so times and right answers were counted several times. Here each side is summed on its own. Same columns.

CREATE OR REPLACE VIEW user_performance AS
SELECT
    u."id" AS "userId",
    u."email",
    u."name",
    sessions."sessionsCompleted",
    answers."questionsAnswered",
    sessions."averageScore",
    sessions."totalTimeSpent",
    answers."correctAnswers",
    answers."incorrectAnswers",
    sessions."lastActivity"
FROM "User" u
CROSS JOIN LATERAL (
    SELECT
        COUNT(*) AS "sessionsCompleted",
        AVG(us."score") AS "averageScore",
        SUM(us."timeSpent") AS "totalTimeSpent",
        MAX(us."completedAt") AS "lastActivity"
    FROM "UserSession" us
    WHERE us."userId" = u."id"
) AS sessions
CROSS JOIN LATERAL (
    SELECT
        COUNT(DISTINCT uqa."questionId") AS "questionsAnswered",
        COUNT(*) FILTER (WHERE uqa."isCorrect") AS "correctAnswers",
        COUNT(*) FILTER (WHERE NOT uqa."isCorrect") AS "incorrectAnswers"
    FROM "UserQuestionAnswer" uqa
    WHERE uqa."userId" = u."id"
) AS answers
WHERE u."isActive" = true;
