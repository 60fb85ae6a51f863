-- Course documents, their passages and the vocabulary that all passages share. Run by document_store.py.

-- name: find_same
-- The document with this content, if it is stored.
SELECT "id" FROM "CourseDocument" WHERE "contentHash" = :hash;

-- name: find_named
-- The documents of this file name, save one.
SELECT "id" FROM "CourseDocument" WHERE "fileName" = :file_name AND "id" IS DISTINCT FROM :but;

-- name: list_documents
-- Every document, as it is listed.
SELECT "id", "title", "fileName", "level", "specialty", "course", "source", "pageCount", "chunkCount", "indexVersion",
       "ordersVersion", "updatedAt"
FROM "CourseDocument" ORDER BY "level", "specialty", "course", "title", "id";

-- name: find_outdated
-- Documents whose stems an earlier release made, or that were looked at for orders by earlier rules.
SELECT "id", "title" FROM "CourseDocument" WHERE "indexVersion" < :version OR "ordersVersion" < :orders ORDER BY "id";

-- name: read_document
-- What the stems of a document's passages are made of, beside the passages.
SELECT "title", "level", "specialty", "course", "source" FROM "CourseDocument" WHERE "id" = :id;

-- name: read_chunks
-- The passages of a document in their order.
SELECT "id", "heading", "text", "heldFor", "allowedAt" FROM "CourseChunk" WHERE "documentId" = :id ORDER BY "position";

-- name: list_passages
-- Every passage of every document, for measuring the search.
SELECT c."id", d."fileName", c."text", c."page", c."lastPage"
FROM "CourseChunk" c JOIN "CourseDocument" d ON d."id" = c."documentId"
ORDER BY d."fileName" COLLATE "C", d."id", c."position";

-- name: wait_for_lock
-- Ingests take turns until their transactions end: all count in the same vocabulary.
SELECT pg_advisory_xact_lock(:key);

-- name: insert_document
-- A document; its passages follow.
INSERT INTO "CourseDocument" ("id", "title", "fileName", "contentHash", "level", "specialty", "specialtyKey", "course",
                              "source", "pageCount", "chunkCount", "indexVersion", "termCount", "ordersVersion",
                              "createdAt", "updatedAt")
VALUES (:id, :title, :file_name, :hash, :level, :specialty, :specialty_key, :course, :source, :pages, :chunks,
        :version, :terms, :orders, :now, :now);

-- name: relabel
-- Correct what is said of a document; no row where it said so already.
UPDATE "CourseDocument" SET "title" = :title, "fileName" = :file_name, "level" = :level, "specialty" = :specialty,
       "specialtyKey" = :specialty_key, "course" = :course, "source" = :source, "updatedAt" = :now
WHERE "id" = :id
  AND ("title", "fileName", "level", "specialty", "course", "source")
      IS DISTINCT FROM (:title, :file_name, :level, :specialty, :course, :source);

-- name: insert_chunks
-- The passages of a document, in one statement, each with its stems; one that is held for its orders has none.
INSERT INTO "CourseChunk" ("id", "documentId", "position", "page", "lastPage", "heading", "text", "search", "heldFor",
                           "allowedAt")
SELECT c.id, :document_id, c.position, c.page, c.last_page, c.heading, c.text, CAST(c.terms AS tsvector), c.held_for,
       c.allowed_at
FROM unnest(CAST(:ids AS text[]), CAST(:positions AS int[]), CAST(:pages AS int[]), CAST(:last_pages AS int[]),
            CAST(:headings AS text[]), CAST(:texts AS text[]), CAST(:terms AS text[]), CAST(:held_for AS text[]),
            CAST(:allowed_at AS timestamp[]))
     AS c(id, position, page, last_page, heading, text, terms, held_for, allowed_at);

-- name: count_terms
-- In how many passages each stem stands: those of new passages are added.
INSERT INTO "CourseTerm" AS t ("term", "chunkCount")
SELECT * FROM unnest(CAST(:terms AS text[]), CAST(:counts AS int[]))
ON CONFLICT ("term") DO UPDATE SET "chunkCount" = t."chunkCount" + EXCLUDED."chunkCount";

-- name: uncount_terms
-- Take the passages of a document, which is about to go or to be indexed anew, out of those figures.
WITH gone AS (
    SELECT lexeme AS term, count(*)::int AS chunks
    FROM "CourseChunk" c, unnest(c."search") WHERE c."documentId" = :id GROUP BY 1
)
UPDATE "CourseTerm" t SET "chunkCount" = t."chunkCount" - gone.chunks FROM gone WHERE t."term" = gone.term;

-- name: recount_terms
-- Put the passages of a document into those figures, by what is stored of them. Levels (`b2_…`) are not counted.
INSERT INTO "CourseTerm" AS t ("term", "chunkCount")
SELECT lexeme, count(*)::int FROM "CourseChunk" c, unnest(c."search")
WHERE c."documentId" = :id AND lexeme !~ '^[a-z][0-9]+_' GROUP BY lexeme
ON CONFLICT ("term") DO UPDATE SET "chunkCount" = t."chunkCount" + EXCLUDED."chunkCount";

-- name: drop_unused_terms
-- Words that no passage holds any more.
DELETE FROM "CourseTerm" WHERE "chunkCount" <= 0;

-- name: delete_document
-- Its passages and vectors go with it.
DELETE FROM "CourseDocument" WHERE "id" = :id;

-- name: reindex_chunks
-- Give passages new stems. What the release before this one finds stays, as often as it was there: its workers may be
-- running. One that is held for its orders has none of either.
UPDATE "CourseChunk" c
SET "search" = CAST(n.terms AS tsvector) || ts_delete(
        COALESCE(c."search", ''::tsvector),
        ARRAY(SELECT t.lexeme FROM unnest(tsvector_to_array(c."search")) AS t(lexeme) WHERE t.lexeme !~ :kept)),
    "heldFor" = n.held_for, "allowedAt" = n.allowed_at
FROM unnest(CAST(:ids AS text[]), CAST(:terms AS text[]), CAST(:held_for AS text[]), CAST(:allowed_at AS timestamp[]))
     AS n(id, terms, held_for, allowed_at)
WHERE c."id" = n.id;

-- name: note_index
-- Of which version a document's stems are, how many there are, and by which rules it was looked at for orders.
UPDATE "CourseDocument" SET "indexVersion" = :version, "termCount" = :length, "ordersVersion" = :orders
WHERE "id" = :id;

-- name: flush_index
-- Put what the GIN index keeps waiting into its lists. Only the owner of the tables may.
SELECT gin_clean_pending_list(c.oid::regclass) FROM pg_class c
WHERE c.oid = '"CourseChunk_search_idx"'::regclass AND pg_has_role(c.relowner, 'USAGE');

-- name: add_vectors
-- Make room for the vectors of a model; false where the server cannot.
SELECT medq_add_course_vectors(:model, :dimensions);

-- name: may_forget_vectors
-- Whether there are vectors, and this role may delete them: one that was given its rights before may not. The search
-- passes over those of held passages all the same.
SELECT COALESCE(has_table_privilege(to_regclass('"CourseVector"')::oid, 'DELETE'), false);

-- name: forget_vectors
-- The passages of a document that are held for their orders keep no vector of the time before.
DELETE FROM "CourseVector" v USING "CourseChunk" c
WHERE c."id" = v."chunkId" AND c."documentId" = :id AND c."heldFor" IS NOT NULL AND c."allowedAt" IS NULL;

-- name: find_unembedded
-- Passages that may be searched and have no vector of this model.
SELECT c."id", concat_ws(E'\n', c."heading", c."text") FROM "CourseChunk" c
WHERE NOT EXISTS (SELECT FROM "CourseVector" v WHERE v."chunkId" = c."id" AND v."model" = :model)
  AND (c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL)
ORDER BY c."id" LIMIT :most;

-- name: store_vectors
-- The vectors of passages; of one that is gone or held by now none.
INSERT INTO "CourseVector" ("chunkId", "model", "embedding")
SELECT n.id, :model, n.embedding::vector FROM unnest(CAST(:ids AS text[]), CAST(:embeddings AS text[]))
    AS n(id, embedding) JOIN "CourseChunk" c ON c."id" = n.id AND (c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL)
ON CONFLICT DO NOTHING;
