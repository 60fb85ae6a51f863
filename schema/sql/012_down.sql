DROP VIEW "AiValidationOpenItem";
DROP INDEX "AiValidationItem_open_idx";
DROP INDEX "AiValidationItem_contentHash_idx";
DROP TABLE "AiValidationDecision";
DROP FUNCTION medq_decision_stays();
