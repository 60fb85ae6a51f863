DROP FUNCTION medq_fold(TEXT);
DROP INDEX "AiValidationItem_textHash_idx";
ALTER TABLE "AiValidationItem" DROP "textHash";
