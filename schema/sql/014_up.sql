-- A key that a person kept, and that nobody has explained, is explained by one more call.
ALTER TABLE "LlmCall"
    DROP CONSTRAINT IF EXISTS "LlmCall_purpose_check",
    ADD CONSTRAINT "LlmCall_purpose_check" CHECK ("purpose" IN ('analyse', 'second_look', 'explain')) NOT VALID;
ALTER TABLE "LlmCall" VALIDATE CONSTRAINT "LlmCall_purpose_check";
