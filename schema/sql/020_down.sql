DROP INDEX "AiValidationTask_completedAt_idx";
DROP INDEX "LlmCall_completedAt_idx";
