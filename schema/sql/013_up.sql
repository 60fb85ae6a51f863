-- What the worker wrote is known again when it comes back, and a question that somebody rewrote by what it asks now.

-- Of the general explanation that an analysis wrote: see worker/questions/history.py.
ALTER TABLE "AiValidationItem" ADD COLUMN IF NOT EXISTS "textHash" TEXT;
CREATE INDEX CONCURRENTLY IF NOT EXISTS "AiValidationItem_textHash_idx" ON "AiValidationItem"("textHash")
    WHERE "textHash" IS NOT NULL;

-- Texts that say the same: no case, single spaces. Only a first choice: the worker compares what it finds.
CREATE OR REPLACE FUNCTION medq_fold(content TEXT) RETURNS TEXT AS $$
    SELECT lower(btrim(regexp_replace(normalize(content, NFC), '\s+', ' ', 'g')));
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;
