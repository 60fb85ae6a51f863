-- Indexes for the admins' busiest queries, built without locking writers out. One statement at a time, no transaction.

CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationJob_status_createdAt_idx"
    ON "AiValidationJob"("status", "createdAt" DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationJob_userId_status_idx"
    ON "AiValidationJob"("userId", "status");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "Question_specialty_level_semester_idx"
    ON "Question"("specialtyId", "level", "semester");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "Question_type_active_validated_idx"
    ON "Question"("type", "isActive", "isValidated");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "UserSession_user_completed_idx"
    ON "UserSession"("userId", "completedAt" DESC)
    WHERE "status" = 'completed';
CREATE INDEX CONCURRENTLY IF NOT EXISTS "UserQuestionAnswer_question_correct_idx"
    ON "UserQuestionAnswer"("questionId", "isCorrect", "answeredAt");
