-- The view as the specification gives it.

CREATE OR REPLACE VIEW user_performance AS
SELECT
    u."id" as "userId",
    u."email",
    u."name",
    COUNT(DISTINCT us."id") as "sessionsCompleted",
    COUNT(DISTINCT uqa."questionId") as "questionsAnswered",
    AVG(us."score") as "averageScore",
    SUM(us."timeSpent") as "totalTimeSpent",
    COUNT(CASE WHEN uqa."isCorrect" = true THEN 1 END) as "correctAnswers",
    COUNT(CASE WHEN uqa."isCorrect" = false THEN 1 END) as "incorrectAnswers",
    MAX(us."completedAt") as "lastActivity"
FROM "User" u
LEFT JOIN "UserSession" us ON u."id" = us."userId"
LEFT JOIN "UserQuestionAnswer" uqa ON u."id" = uqa."userId"
WHERE u."isActive" = true
GROUP BY u."id";
