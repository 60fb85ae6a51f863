-- What a batch of questions is searched with. Run by passage_search.py; what words are worth is told by weigh.py.
--
-- A stem is stored as `e_stem`, where `e` is the version of the index, with as many positions as it occurs; at two and
-- at four occurrences it is stored once more, as `e2_stem` and `e4_stem`. tests/unit/test_search.py holds these letters
-- to those of the code.
--
-- A passage that is held for its orders is passed over wherever passages are chosen, whatever stems and vectors it has:
-- an earlier release, which knows of no orders, gives it some when its document is relabelled.

-- name: read_corpus
-- How much there is to search, whose stems are of an earlier version, what is searched that was not looked at for
-- orders by the rules of this release, and whether vectors can be used.
SELECT count(*) FILTER (WHERE "indexVersion" >= :version),
       COALESCE(sum("chunkCount") FILTER (WHERE "indexVersion" >= :version), 0),
       COALESCE(sum("termCount") FILTER (WHERE "indexVersion" >= :version), 0),
       count(*) FILTER (WHERE "indexVersion" < :version),
       count(*) FILTER (WHERE "indexVersion" >= :version AND "ordersVersion" < :orders),
       to_regclass('"CourseVector"') IS NOT NULL
FROM "CourseDocument";

-- name: has_vectors_of
-- Whether any passage has a vector of this model.
SELECT EXISTS (SELECT FROM "CourseVector" WHERE "model" = :model);

-- name: find_terms
-- How many passages hold each word of a batch; one row of nothing where none holds any. From here on each statement of
-- the transaction may take so many milliseconds, and reads by indexes: a plan that was made for any batch thinks of ten
-- look-ups, for which the passages of a small store seem to be read sooner one by one, each of them two hundred times.
SELECT t."term", t."chunkCount"
FROM (SELECT set_config('statement_timeout', :milliseconds, true), set_config('enable_seqscan', 'off', true)) limited
LEFT JOIN "CourseTerm" t ON t."term" = ANY(CAST(:terms AS text[]));

-- name: find_neighbours
-- The words that begin like one that no passage holds, or end like it and have its first letter, by each of the lengths
-- that they may have. `left` takes a letter and what stands before every stem.
SELECT a.word, n."term", n."chunkCount"
FROM unnest(CAST(:words AS text[]), CAST(:lengths AS int[]), CAST(:initials AS text[]), CAST(:beginnings AS text[]),
            CAST(:beyond_beginnings AS text[]), CAST(:ends AS text[]), CAST(:beyond_ends AS text[]))
     AS a(word, length, initial, beginning, beyond_beginning, "end", beyond_end)
CROSS JOIN LATERAL (
    SELECT t."term", t."chunkCount" FROM "CourseTerm" t
    WHERE length(t."term") = a.length AND t."term" ~>=~ a.beginning AND t."term" ~<~ a.beyond_beginning
    UNION
    SELECT t."term", t."chunkCount" FROM "CourseTerm" t
    WHERE length(t."term") = a.length AND left(t."term", 3) = a.initial
      AND reverse(t."term") ~>=~ a."end" AND reverse(t."term") ~<~ a.beyond_end
) n;

-- name: search
-- The passages that share most with each question of a batch. Each look-up is a list of the GIN index, and BM25, but
-- for the length of passages, is a sum over those lists. Of the best passages (those that are near by their vectors
-- among them) it is told how long they are and how often each of the question's words stands there. The words come as
-- keys of an object, which are looked up: of a join of words and stems the planner knows no sizes.
WITH wanted AS MATERIALIZED (
    SELECT w.item, w.level, w.specialty_key, w.least, w.words::jsonb AS words
    FROM unnest(CAST(:numbers AS int[]), CAST(:levels AS text[]), CAST(:specialty_keys AS text[]),
                CAST(:leasts AS int[]), CAST(:words AS text[])) AS w(item, level, specialty_key, least, words)
), hit AS (
    SELECT l.item, c.tid, c."documentId", sum(l.worth) AS worth
    FROM unnest(CAST(:look_up_items AS int[]), CAST(:look_ups AS text[]), CAST(:look_up_worths AS float8[]),
                CAST(:look_up_levels AS int[])) AS l(item, query, worth, level)
    CROSS JOIN LATERAL (
        SELECT k.ctid AS tid, k."documentId" FROM "CourseChunk" k
        WHERE k."search" @@ l.query::tsquery AND (k."heldFor" IS NULL OR k."allowedAt" IS NOT NULL)
    ) c
    GROUP BY l.item, c.tid, c."documentId"
    HAVING count(*) FILTER (WHERE l.level = 1) >= (SELECT w.least FROM wanted w WHERE w.item = l.item)
), ranked AS (
    SELECT h.item, h.tid, row_number() OVER (
        PARTITION BY h.item, d."specialtyKey" IS NOT DISTINCT FROM w.specialty_key,
                     d."level" IS NOT DISTINCT FROM w.level
        ORDER BY h.worth DESC, h.tid
    ) AS place
    FROM hit h JOIN "CourseDocument" d ON d."id" = h."documentId" JOIN wanted w ON w.item = h.item
), best AS MATERIALIZED (
    SELECT item, tid FROM ranked WHERE place <= :candidates
    UNION
    SELECT n.item, k.ctid FROM unnest(CAST(:near_items AS int[]), CAST(:near_ids AS text[])) AS n(item, id)
    JOIN "CourseChunk" k ON k."id" = n.id AND (k."heldFor" IS NULL OR k."allowedAt" IS NOT NULL)
)
SELECT b.item, c."id", c."documentId", c."position", c."text", d."title", d."level", d."specialty", d."course",
       d."source", c."page", c."lastPage", s.length, s.times,
       CASE WHEN d."specialtyKey" IS NULL THEN 2
            WHEN d."specialtyKey" IS DISTINCT FROM w.specialty_key THEN 3
            WHEN d."level" IS NOT DISTINCT FROM w.level THEN 0 ELSE 1 END AS scope
FROM best b
JOIN wanted w ON w.item = b.item
JOIN "CourseChunk" c ON c.ctid = b.tid
JOIN "CourseDocument" d ON d."id" = c."documentId"
CROSS JOIN LATERAL (
    SELECT sum(cardinality(t.positions)) AS length,
           jsonb_object_agg(t.lexeme, cardinality(t.positions)) FILTER (WHERE w.words ? t.lexeme) AS times
    FROM unnest(c."search") AS t WHERE starts_with(t.lexeme, 'e_')
) s
WHERE s.times IS NOT NULL AND (c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL)
ORDER BY b.item, c."documentId" COLLATE "C", c."position";

-- name: nearest
-- For each question the passages whose vectors are nearest to its own. {dimensions} is a number: no parameter can stand
-- where a type is named, and the index is one of vectors of that size.
SELECT q.item, n."chunkId"
FROM unnest(CAST(:numbers AS int[]), CAST(:vectors AS text[])) AS q(item, embedding)
CROSS JOIN LATERAL (
    SELECT v."chunkId" FROM "CourseVector" v JOIN "CourseChunk" c ON c."id" = v."chunkId"
    WHERE v."model" = :model AND (c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL)
    ORDER BY (v."embedding"::vector({dimensions})) <=> q.embedding::vector({dimensions}) LIMIT 20
) n;

-- name: background
-- How near passages at large are to each question: of some blocks of the table, always the same ones.
SELECT q.item, avg(n.similarity) AS mean, stddev_samp(n.similarity) AS spread, count(*) AS passages
FROM unnest(CAST(:numbers AS int[]), CAST(:vectors AS text[])) AS q(item, embedding)
CROSS JOIN LATERAL (
    SELECT 1 - (v."embedding" <=> q.embedding::vector) AS similarity
    FROM "CourseVector" v TABLESAMPLE SYSTEM (:percent) REPEATABLE (1) WHERE v."model" = :model
) n
GROUP BY q.item;

-- name: similarities
-- How near the passages that were found are to their questions: the cosine of their vectors, where they have one.
SELECT n.item, n.id, 1 - (v."embedding" <=> q.embedding::vector) AS similarity
FROM unnest(CAST(:items AS int[]), CAST(:ids AS text[])) AS n(item, id)
JOIN unnest(CAST(:numbers AS int[]), CAST(:vectors AS text[])) AS q(item, embedding) ON q.item = n.item
JOIN "CourseVector" v ON v."chunkId" = n.id AND v."model" = :model;
