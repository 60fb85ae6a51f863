-- What people decide about the questions that an analysis left open, and what is open.

CREATE TABLE IF NOT EXISTS "AiValidationDecision" (
    "id" TEXT NOT NULL,
    "itemId" TEXT,
    "questionId" TEXT,
    -- Of the question's content: every row of the same content, in any job, is settled with it.
    "contentHash" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "key" TEXT,
    "answer" TEXT,
    "explanation" TEXT,
    "comment" TEXT,
    "userId" TEXT,
    "source" TEXT NOT NULL,
    "shown" JSONB NOT NULL,
    "previous" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "AiValidationDecision_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "AiValidationDecision_action_check"
        CHECK ("action" IN ('accept', 'keep', 'edit', 'discard', 'undo')),
    CONSTRAINT "AiValidationDecision_source_check"
        CHECK ("source" IN ('page', 'api', 'command', 'workbook'))
);
CREATE INDEX IF NOT EXISTS "AiValidationDecision_contentHash_createdAt_idx"
    ON "AiValidationDecision"("contentHash", "createdAt");
CREATE INDEX IF NOT EXISTS "AiValidationDecision_itemId_idx" ON "AiValidationDecision"("itemId");
CREATE INDEX IF NOT EXISTS "AiValidationDecision_questionId_idx" ON "AiValidationDecision"("questionId");
CREATE INDEX IF NOT EXISTS "AiValidationDecision_userId_idx" ON "AiValidationDecision"("userId");
-- It is what is known of a model's worth: it outlives the item, the question and the user.
ALTER TABLE "AiValidationDecision" ADD CONSTRAINT "AiValidationDecision_itemId_fkey"
    FOREIGN KEY ("itemId") REFERENCES "AiValidationItem"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationDecision" ADD CONSTRAINT "AiValidationDecision_questionId_fkey"
    FOREIGN KEY ("questionId") REFERENCES "Question"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationDecision" ADD CONSTRAINT "AiValidationDecision_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE NOT VALID;
ALTER TABLE "AiValidationDecision" VALIDATE CONSTRAINT "AiValidationDecision_itemId_fkey";
ALTER TABLE "AiValidationDecision" VALIDATE CONSTRAINT "AiValidationDecision_questionId_fkey";
ALTER TABLE "AiValidationDecision" VALIDATE CONSTRAINT "AiValidationDecision_userId_fkey";

CREATE OR REPLACE FUNCTION medq_decision_stays() RETURNS TRIGGER AS $$
BEGIN
    -- A row that a decision speaks of may go; what was decided stays.
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - ARRAY['itemId', 'questionId', 'userId']
                          = to_jsonb(OLD) - ARRAY['itemId', 'questionId', 'userId'] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A decision is never changed nor removed: undo it by another one'
        USING ERRCODE = 'check_violation', TABLE = 'AiValidationDecision';
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_decision_stays_trigger
    BEFORE UPDATE OR DELETE ON "AiValidationDecision"
    FOR EACH ROW EXECUTE FUNCTION medq_decision_stays();

-- Rows of the same content are found by it, and what is open of a job without reading the rest of it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationItem_contentHash_idx" ON "AiValidationItem"("contentHash");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationItem_open_idx" ON "AiValidationItem"("jobId", "position")
    WHERE "status" IN ('contested', 'completed', 'corrected', 'failed') AND "question" IS NOT NULL;

-- What waits for a person: one row per item, with everything that a screen needs. A decision stands when it was not
-- undone; whoever validated the question on the platform itself has settled it too.
CREATE OR REPLACE VIEW "AiValidationOpenItem" AS
SELECT i."id", i."jobId", j."originalFileName" AS "fileName", i."sheet", i."rowNumber", i."position", i."type",
       i."status", i."reason", i."findings", i."contentHash", i."questionId",
       i."question" ->> 'specialty' AS "specialty", i."question" ->> 'course' AS "course",
       i."question" ->> 'level' AS "level", i."question" ->> 'case_text' AS "caseText",
       i."question" ->> 'text' AS "questionText", i."question" -> 'options' AS "options",
       COALESCE(i."question" ->> 'official_key', i."question" ->> 'official_answer') AS "official",
       i."result" ->> 'proposed' AS "proposed", (i."result" ->> 'confidence')::float8 AS "confidence",
       COALESCE(i."result" -> 'looks', '[]'::jsonb) AS "looks",
       i."question" ->> 'explanation' AS "uploadedExplanation",
       i."question" -> 'option_explanations' AS "uploadedOptionExplanations",
       i."question" ->> 'reminder' AS "reminder",
       COALESCE(q."correctAnswer", q."answer") AS "stored", q."explanation" AS "storedExplanation",
       i."createdAt", i."updatedAt"
FROM "AiValidationItem" i
JOIN "AiValidationJob" j ON j."id" = i."jobId"
LEFT JOIN "Question" q ON q."id" = COALESCE(i."questionId", 'q' || left(i."contentHash", 24))
WHERE i."status" IN ('contested', 'completed', 'corrected', 'failed') AND i."question" IS NOT NULL
  AND q."validatedBy" IS NULL
  AND (SELECT COALESCE(sum(CASE d."action" WHEN 'undo' THEN -1 ELSE 1 END), 0)
       FROM "AiValidationDecision" d WHERE d."contentHash" = i."contentHash") = 0;
