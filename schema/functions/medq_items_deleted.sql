-- Whoever deletes rows, what they tell of a question's key and text stays known: what a file gave, what an analysis.

CREATE OR REPLACE FUNCTION medq_items_deleted() RETURNS TRIGGER AS $$
BEGIN
    INSERT INTO "AiValidationProvenance" AS p ("id", "contentHash", "questionId", "status", "official", "value",
                                               "textHash", "hasText", "createdAt")
    SELECT DISTINCT ON (told.id) told.*
    FROM (
        SELECT md5(pg_catalog.jsonb_build_array(fact."contentHash", fact."questionId", fact."status", fact.official,
                                                fact.value, fact."textHash", fact.has_text)::text) AS id, fact.*
        FROM (
            SELECT i."contentHash", i."questionId", i."status",
                   COALESCE(i."question" ->> 'official_key'::text,
                            i."question" ->> 'official_answer'::text) AS official,
                   COALESCE(i."result" ->> 'key'::text, i."result" ->> 'answer'::text) AS value,
                   i."textHash",
                   i."question" ->> 'explanation'::text IS NOT NULL
                       OR COALESCE(i."question" -> 'option_explanations'::text, '{}') <> '{}'::jsonb AS has_text,
                   i."createdAt" AS created_at
            FROM removed i
            WHERE i."contentHash" IS NOT NULL AND i."question" IS NOT NULL
              AND medq_is_success(i."status")
        ) fact
    ) told
    ORDER BY told.id, told.created_at DESC
    ON CONFLICT ("id") DO UPDATE SET "createdAt" = GREATEST(p."createdAt", EXCLUDED."createdAt");
    RETURN NULL;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_items_deleted_trigger
    AFTER DELETE ON "AiValidationItem"
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION medq_items_deleted();
