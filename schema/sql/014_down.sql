-- Calls that explain stay on the books, under the purpose that is nearest.
UPDATE "LlmCall" SET "purpose" = 'second_look' WHERE "purpose" = 'explain';
ALTER TABLE "LlmCall" DROP CONSTRAINT "LlmCall_purpose_check";
ALTER TABLE "LlmCall" ADD CONSTRAINT "LlmCall_purpose_check" CHECK ("purpose" IN ('analyse', 'second_look'));
