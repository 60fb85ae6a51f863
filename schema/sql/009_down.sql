DROP INDEX "LlmCall_started_idx";
