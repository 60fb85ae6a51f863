-- The words of the courses by how they begin and by how they end: a misspelled word of a question keeps one of the two.
-- They take the place of trigrams, for which a server needs an extension.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "CourseTerm_beginning_idx"
    ON "CourseTerm"(length("term"), "term" text_pattern_ops);
CREATE INDEX CONCURRENTLY IF NOT EXISTS "CourseTerm_end_idx"
    ON "CourseTerm"(length("term"), left("term", 3), reverse("term") text_pattern_ops);
DROP INDEX CONCURRENTLY IF EXISTS "CourseTerm_term_trgm_idx";
