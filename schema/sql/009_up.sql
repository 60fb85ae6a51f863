-- Every sweep asks for calls that were left open: few, among all that were ever made.

CREATE INDEX CONCURRENTLY IF NOT EXISTS "LlmCall_started_idx" ON "LlmCall"("createdAt") WHERE "status" = 'started';
