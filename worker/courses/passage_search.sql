-- What a batch of questions is searched with. Run by passage_search.py.
--
-- BM25 (K1 1.2, B 0.75: so 2.2 is K1 + 1) over the GIN index that PostgreSQL has. A stem is stored as `b_stem`, where
-- `b` is the version of the index, with as many positions as it occurs; at two and at four occurrences it is stored
-- once more, as `b2_stem` and `b4_stem`. tests/unit/test_search.py holds these letters and figures to those of the
-- code.
--
-- A passage that is held for its orders is passed over wherever passages are chosen, whatever stems and vectors it has:
-- an earlier release, which knows of no orders, gives it some when its document is relabelled.

-- name: read_corpus
-- How much there is to search, whose stems are of an earlier version, what is searched that was not looked at for
-- orders by the rules of this release, and whether misspelled words and vectors can be used.
SELECT count(*) FILTER (WHERE "indexVersion" >= :version),
       COALESCE(sum("chunkCount") FILTER (WHERE "indexVersion" >= :version), 0),
       COALESCE(sum("termCount") FILTER (WHERE "indexVersion" >= :version), 0),
       count(*) FILTER (WHERE "indexVersion" < :version),
       count(*) FILTER (WHERE "indexVersion" >= :version AND "ordersVersion" < :orders),
       to_regclass('"CourseTerm_term_trgm_idx"') IS NOT NULL,
       to_regclass('"CourseVector"') IS NOT NULL
FROM "CourseDocument";

-- name: has_vectors_of
-- Whether any passage has a vector of this model.
SELECT EXISTS (SELECT FROM "CourseVector" WHERE "model" = :model);

-- name: limit_time
-- A search may take so many milliseconds, until the transaction ends.
SELECT set_config('statement_timeout', :milliseconds, true);

-- name: search
-- The passages that share most with each question of a batch, best first. Each rare stem is looked up in the GIN index
-- on its own, and so are its levels, which makes the index an inverted list with frequencies: BM25, but for the length
-- of passages, is then a sum over those lists. The next stems are looked up only together with a rare one, and all of
-- them in the best passages (those that are near by their vectors among them), where the whole of BM25 is counted.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:items AS int[]), CAST(:terms AS text[]), CAST(:weights AS float8[]),
                         CAST(:shares AS float8[]), CAST(:subjects AS bool[])) AS a(item, term, weight, share, subject)
), known AS (
    -- A word that no passage holds may be a misspelled one: the passage need not hold it to name the subject.
    SELECT a.item, COALESCE(t."term", a.term) AS term, a.weight, a.share, a.subject, t."term" IS NOT NULL AS counts,
           COALESCE(t."chunkCount", 0) AS chunks
    FROM asked a LEFT JOIN "CourseTerm" t ON t."term" = a.term
), weighted AS (
    SELECT item, term, chunks, max(weight) * rarity AS worth, max(share) * rarity AS about, bool_or(subject) AS subject,
           bool_or(counts) AS counts
    FROM known CROSS JOIN LATERAL (
        SELECT ln(1 + (GREATEST(CAST(:corpus AS float8), chunks) - chunks + 0.5) / (chunks + 0.5)) AS rarity
    ) r
    GROUP BY item, term, chunks, rarity
), valued AS MATERIALIZED (
    SELECT *, sum(chunks) OVER rarest AS read,
           row_number() OVER (PARTITION BY item ORDER BY about DESC, term COLLATE "C") AS place
    FROM weighted
    WINDOW rarest AS (PARTITION BY item ORDER BY chunks, term COLLATE "C")
), ideal AS MATERIALIZED (
    -- The best imaginable passage holds the words that say most.
    SELECT item, sum(about) FILTER (WHERE place <= :ideal_terms) AS about,
           power(sum(about) FILTER (WHERE place <= :ideal_terms), 2)
               / NULLIF(sum(power(about, 2)) FILTER (WHERE place <= :ideal_terms), 0) AS breadth,
           bool_or(subject) AS has_subject, max(about) FILTER (WHERE subject AND counts) AS subject,
           CASE WHEN count(*) FILTER (WHERE chunks > 0) > :few THEN 2 ELSE 1 END AS least
    FROM valued GROUP BY item
), rare AS MATERIALIZED (
    SELECT item, string_agg(term, '|')::tsquery AS query, max(read) AS read FROM valued
    WHERE chunks > 0 AND (read <= :postings OR (read = chunks AND chunks <= :longest)) GROUP BY item
), looked_up AS MATERIALIZED (
    -- What each level adds to what one occurrence less gave: level * 2.2 / (level + 1.2).
    SELECT v.item, v.worth * l.gain AS worth, (l.prefix || substr(v.term, 2))::tsquery AS query, l.level
    FROM valued v JOIN rare r ON r.item = v.item AND v.read <= r.read AND v.chunks > 0
    CROSS JOIN (VALUES (1, 'b', 1.000000::float8), (2, 'b2', 0.375000::float8), (4, 'b4', 0.317308::float8))
        AS l(level, prefix, gain)
    UNION ALL
    SELECT item, worth, query, 1 FROM (
        SELECT v.item, v.worth, r.query && v.term::tsquery AS query,
               row_number() OVER (PARTITION BY v.item ORDER BY v.chunks, v.term COLLATE "C") AS place
        FROM valued v JOIN rare r ON r.item = v.item AND v.read > r.read
    ) frequent WHERE place <= :frequent
), hit AS (
    SELECT l.item, c.tid, c."documentId", sum(l.worth) AS worth
    FROM looked_up l CROSS JOIN LATERAL (
        SELECT k.ctid AS tid, k."documentId" FROM "CourseChunk" k
        WHERE k."search" @@ l.query AND (k."heldFor" IS NULL OR k."allowedAt" IS NOT NULL)
    ) c
    GROUP BY l.item, c.tid, c."documentId"
    HAVING count(*) FILTER (WHERE l.level = 1) >= (SELECT i.least FROM ideal i WHERE i.item = l.item)
), wanted AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:numbers AS int[]), CAST(:levels AS text[]), CAST(:specialty_keys AS text[]))
        AS w(item, level, specialty_key)
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
), stem AS MATERIALIZED (
    SELECT b.item, b.tid, t.lexeme, cardinality(t.positions)::float8 AS times
    FROM best b JOIN "CourseChunk" c ON c.ctid = b.tid CROSS JOIN LATERAL unnest(c."search") AS t
    WHERE starts_with(t.lexeme, 'b_')
), long AS (
    SELECT item, tid, 1.2 * (1 - 0.75 + 0.75 * sum(times) / CAST(:average AS float8)) AS damping
    FROM stem GROUP BY item, tid
), scored AS MATERIALIZED (
    -- A stem that stands twice in a passage of common length counts wholly for what the passage is about: 1.375.
    SELECT s.item, s.tid, sum(v.worth * s.times * 2.2 / (s.times + l.damping)) AS score,
           sum(v.about * LEAST(1, s.times * 2.2 / (s.times + l.damping) / 1.375000)) AS about,
           max(v.about) FILTER (WHERE v.subject) AS subject
    FROM stem s JOIN valued v ON v.item = s.item AND v.term = s.lexeme
    JOIN long l ON l.item = s.item AND l.tid = s.tid
    GROUP BY s.item, s.tid
)
SELECT s.item, c."id", c."documentId", c."position", c."text", d."title", d."level", d."specialty", d."course",
       d."source", c."page", c."lastPage", s.score, s.about / i.about AS coverage, i.breadth,
       COALESCE(s.subject >= :subject_share * i.subject, NOT i.has_subject) AS names_subject,
       CASE WHEN d."specialtyKey" IS NULL THEN 2
            WHEN d."specialtyKey" IS DISTINCT FROM w.specialty_key THEN 3
            WHEN d."level" IS NOT DISTINCT FROM w.level THEN 0 ELSE 1 END AS scope
FROM scored s
JOIN wanted w ON w.item = s.item
JOIN ideal i ON i.item = s.item AND i.about > 0
JOIN "CourseChunk" c ON c.ctid = s.tid
JOIN "CourseDocument" d ON d."id" = c."documentId"
WHERE c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL
ORDER BY s.item, s.score DESC, c."documentId" COLLATE "C", c."position";

-- name: search_misspelled
-- The same where the server has pg_trgm: a word that no passage holds is taken for the one that looks most like it. The
-- prefix makes all a little alike, hence 0.55.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:items AS int[]), CAST(:terms AS text[]), CAST(:weights AS float8[]),
                         CAST(:shares AS float8[]), CAST(:subjects AS bool[])) AS a(item, term, weight, share, subject)
), known AS (
    SELECT a.item, COALESCE(t."term", near."term", a.term) AS term, a.weight, a.share, a.subject, true AS counts,
           COALESCE(t."chunkCount", near."chunkCount", 0) AS chunks
    FROM asked a LEFT JOIN "CourseTerm" t ON t."term" = a.term
    LEFT JOIN LATERAL (
        SELECT n."term", n."chunkCount" FROM "CourseTerm" n
        WHERE t."term" IS NULL AND n."term" LIKE 'b\_%' AND length(a.term) >= 7 AND a.term !~ '[0-9]'
          AND n."term" % a.term
          AND similarity(n."term", a.term) >= 0.55
        ORDER BY similarity(n."term", a.term) DESC, n."term" LIMIT 1
    ) near ON true
), weighted AS (
    SELECT item, term, chunks, max(weight) * rarity AS worth, max(share) * rarity AS about, bool_or(subject) AS subject,
           bool_or(counts) AS counts
    FROM known CROSS JOIN LATERAL (
        SELECT ln(1 + (GREATEST(CAST(:corpus AS float8), chunks) - chunks + 0.5) / (chunks + 0.5)) AS rarity
    ) r
    GROUP BY item, term, chunks, rarity
), valued AS MATERIALIZED (
    SELECT *, sum(chunks) OVER rarest AS read,
           row_number() OVER (PARTITION BY item ORDER BY about DESC, term COLLATE "C") AS place
    FROM weighted
    WINDOW rarest AS (PARTITION BY item ORDER BY chunks, term COLLATE "C")
), ideal AS MATERIALIZED (
    -- The best imaginable passage holds the words that say most.
    SELECT item, sum(about) FILTER (WHERE place <= :ideal_terms) AS about,
           power(sum(about) FILTER (WHERE place <= :ideal_terms), 2)
               / NULLIF(sum(power(about, 2)) FILTER (WHERE place <= :ideal_terms), 0) AS breadth,
           bool_or(subject) AS has_subject, max(about) FILTER (WHERE subject AND counts) AS subject,
           CASE WHEN count(*) FILTER (WHERE chunks > 0) > :few THEN 2 ELSE 1 END AS least
    FROM valued GROUP BY item
), rare AS MATERIALIZED (
    SELECT item, string_agg(term, '|')::tsquery AS query, max(read) AS read FROM valued
    WHERE chunks > 0 AND (read <= :postings OR (read = chunks AND chunks <= :longest)) GROUP BY item
), looked_up AS MATERIALIZED (
    -- What each level adds to what one occurrence less gave: level * 2.2 / (level + 1.2).
    SELECT v.item, v.worth * l.gain AS worth, (l.prefix || substr(v.term, 2))::tsquery AS query, l.level
    FROM valued v JOIN rare r ON r.item = v.item AND v.read <= r.read AND v.chunks > 0
    CROSS JOIN (VALUES (1, 'b', 1.000000::float8), (2, 'b2', 0.375000::float8), (4, 'b4', 0.317308::float8))
        AS l(level, prefix, gain)
    UNION ALL
    SELECT item, worth, query, 1 FROM (
        SELECT v.item, v.worth, r.query && v.term::tsquery AS query,
               row_number() OVER (PARTITION BY v.item ORDER BY v.chunks, v.term COLLATE "C") AS place
        FROM valued v JOIN rare r ON r.item = v.item AND v.read > r.read
    ) frequent WHERE place <= :frequent
), hit AS (
    SELECT l.item, c.tid, c."documentId", sum(l.worth) AS worth
    FROM looked_up l CROSS JOIN LATERAL (
        SELECT k.ctid AS tid, k."documentId" FROM "CourseChunk" k
        WHERE k."search" @@ l.query AND (k."heldFor" IS NULL OR k."allowedAt" IS NOT NULL)
    ) c
    GROUP BY l.item, c.tid, c."documentId"
    HAVING count(*) FILTER (WHERE l.level = 1) >= (SELECT i.least FROM ideal i WHERE i.item = l.item)
), wanted AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:numbers AS int[]), CAST(:levels AS text[]), CAST(:specialty_keys AS text[]))
        AS w(item, level, specialty_key)
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
), stem AS MATERIALIZED (
    SELECT b.item, b.tid, t.lexeme, cardinality(t.positions)::float8 AS times
    FROM best b JOIN "CourseChunk" c ON c.ctid = b.tid CROSS JOIN LATERAL unnest(c."search") AS t
    WHERE starts_with(t.lexeme, 'b_')
), long AS (
    SELECT item, tid, 1.2 * (1 - 0.75 + 0.75 * sum(times) / CAST(:average AS float8)) AS damping
    FROM stem GROUP BY item, tid
), scored AS MATERIALIZED (
    -- A stem that stands twice in a passage of common length counts wholly for what the passage is about: 1.375.
    SELECT s.item, s.tid, sum(v.worth * s.times * 2.2 / (s.times + l.damping)) AS score,
           sum(v.about * LEAST(1, s.times * 2.2 / (s.times + l.damping) / 1.375000)) AS about,
           max(v.about) FILTER (WHERE v.subject) AS subject
    FROM stem s JOIN valued v ON v.item = s.item AND v.term = s.lexeme
    JOIN long l ON l.item = s.item AND l.tid = s.tid
    GROUP BY s.item, s.tid
)
SELECT s.item, c."id", c."documentId", c."position", c."text", d."title", d."level", d."specialty", d."course",
       d."source", c."page", c."lastPage", s.score, s.about / i.about AS coverage, i.breadth,
       COALESCE(s.subject >= :subject_share * i.subject, NOT i.has_subject) AS names_subject,
       CASE WHEN d."specialtyKey" IS NULL THEN 2
            WHEN d."specialtyKey" IS DISTINCT FROM w.specialty_key THEN 3
            WHEN d."level" IS NOT DISTINCT FROM w.level THEN 0 ELSE 1 END AS scope
FROM scored s
JOIN wanted w ON w.item = s.item
JOIN ideal i ON i.item = s.item AND i.about > 0
JOIN "CourseChunk" c ON c.ctid = s.tid
JOIN "CourseDocument" d ON d."id" = c."documentId"
WHERE c."heldFor" IS NULL OR c."allowedAt" IS NOT NULL
ORDER BY s.item, s.score DESC, c."documentId" COLLATE "C", c."position";

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

-- name: similarities
-- How near the passages that were found are to their questions: the cosine of their vectors, where they have one.
SELECT n.item, n.id, 1 - (v."embedding" <=> q.embedding::vector) AS similarity
FROM unnest(CAST(:items AS int[]), CAST(:ids AS text[])) AS n(item, id)
JOIN unnest(CAST(:numbers AS int[]), CAST(:vectors AS text[])) AS q(item, embedding) ON q.item = n.item
JOIN "CourseVector" v ON v."chunkId" = n.id AND v."model" = :model;
