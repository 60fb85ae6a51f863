"""Course documents in PostgreSQL: stored with their vocabulary, listed, removed, searched for a whole batch at once.

What a word is worth looking for, and what is done with what is found, is not decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models import new_id, utc_now
from worker.courses.document import INDEX_VERSION, Corpus, CourseLabels, CourseQuery, FoundPassage, NewDocument
from worker.courses.recall import StoredPassage

# "cour" in ASCII: ingests take turns, for they all count in the same vocabulary.
LOCK_KEY = 0x636F7572

# A search reads at most so many passages per question to find the rarest words, and looks at the best of them whole.
POSTINGS_PER_QUERY = 1_000
LONGEST_LIST = 20_000  # of a question whose rarest word is not rare
FREQUENT_TERMS = 3
FEW_TERMS = 3  # of more that some passage holds, a candidate shares two
CANDIDATES_PER_SCOPE = 24
VECTOR_CANDIDATES = 20
# The words of the best imaginable passage: a long case must not make every passage look poor.
IDEAL_TERMS = 12
# Below so many passages, how often a word occurs says little about how rare it is.
SMALLEST_CORPUS = 1_000
FUZZY_SIMILARITY = 0.55  # the prefix makes all a little alike
# Okapi BM25 with Lucene's constants (Robertson and Zaragoza, The probabilistic relevance framework, 2009).
K1, B = 1.2, 0.75
# A word that stands twice in a passage of common length counts wholly when it is judged what the passage is about.
WHOLLY = 2 * (K1 + 1) / (2 + K1)
# What is asked of any subject counts for so much then.
ASKING = 0.35
# A stem is stored once more at so many occurrences, so that the index alone tells how often it stands in a passage.
LEVELS = (2, 4)
# Before every stem, a letter for the version of the index: the stems of another version are other words.
PREFIX = chr(ord("a") + INDEX_VERSION - 1)
# Stems of the version before, which had no prefix at first.
OLDER_STEM = r"^[^_]+$" if INDEX_VERSION == 2 else f"^{chr(ord(PREFIX) - 1)}[0-9]*_"
MOST_POSITIONS = 255  # of one lexeme in a tsvector
STATEMENT_TIMEOUT_MS = 2_000

CORPUS = sa.text("""
SELECT count(*) FILTER (WHERE "indexVersion" >= :version),
       COALESCE(sum("chunkCount") FILTER (WHERE "indexVersion" >= :version), 0),
       COALESCE(sum("termCount") FILTER (WHERE "indexVersion" >= :version), 0),
       count(*) FILTER (WHERE "indexVersion" < :version), to_regclass('"CourseTerm_term_trgm_idx"') IS NOT NULL,
       to_regclass('"CourseVector"') IS NOT NULL
FROM "CourseDocument"
""")

INSERT_DOCUMENT = sa.text("""
INSERT INTO "CourseDocument" ("id", "title", "fileName", "contentHash", "level", "specialty", "specialtyKey", "course",
                              "source", "pageCount", "chunkCount", "indexVersion", "termCount", "createdAt",
                              "updatedAt")
VALUES (:id, :title, :file_name, :hash, :level, :specialty, :specialty_key, :course, :source, :pages, :chunks,
        :version, :terms, :now, :now)
""")

RELABEL = sa.text("""
UPDATE "CourseDocument" SET "title" = :title, "fileName" = :file_name, "level" = :level, "specialty" = :specialty,
       "specialtyKey" = :specialty_key, "course" = :course, "source" = :source, "updatedAt" = :now
WHERE "id" = :id
  AND ("title", "fileName", "level", "specialty", "course", "source")
      IS DISTINCT FROM (:title, :file_name, :level, :specialty, :course, :source)
""")

INSERT_CHUNKS = sa.text("""
INSERT INTO "CourseChunk" ("id", "documentId", "position", "page", "lastPage", "heading", "text", "search")
SELECT c.id, :document_id, c.position, c.page, c.last_page, c.heading, c.text, CAST(c.terms AS tsvector)
FROM unnest(CAST(:ids AS text[]), CAST(:positions AS int[]), CAST(:pages AS int[]), CAST(:last_pages AS int[]),
            CAST(:headings AS text[]), CAST(:texts AS text[]), CAST(:terms AS text[]))
     AS c(id, position, page, last_page, heading, text, terms)
""")

COUNT_TERMS = sa.text("""
INSERT INTO "CourseTerm" AS t ("term", "chunkCount")
SELECT * FROM unnest(CAST(:terms AS text[]), CAST(:counts AS int[]))
ON CONFLICT ("term") DO UPDATE SET "chunkCount" = t."chunkCount" + EXCLUDED."chunkCount"
""")

UNCOUNT_TERMS = sa.text("""
WITH gone AS (
    SELECT lexeme AS term, count(*)::int AS chunks
    FROM "CourseChunk" c, unnest(c."search") WHERE c."documentId" = :id GROUP BY 1
)
UPDATE "CourseTerm" t SET "chunkCount" = t."chunkCount" - gone.chunks FROM gone WHERE t."term" = gone.term
""")

RECOUNT_TERMS = sa.text("""
INSERT INTO "CourseTerm" AS t ("term", "chunkCount")
SELECT lexeme, count(*)::int FROM "CourseChunk" c, unnest(c."search")
WHERE c."documentId" = :id AND lexeme !~ '^[a-z][0-9]+_' GROUP BY lexeme
ON CONFLICT ("term") DO UPDATE SET "chunkCount" = t."chunkCount" + EXCLUDED."chunkCount"
""")

# What the release before this one finds stays: its workers may be running.
REINDEX_CHUNKS = sa.text("""
UPDATE "CourseChunk" c
SET "search" = CAST(n.terms AS tsvector) || COALESCE((
        SELECT array_to_tsvector(array_agg(t.lexeme)) FROM unnest(tsvector_to_array(c."search")) AS t(lexeme)
        WHERE t.lexeme ~ :kept), ''::tsvector)
FROM unnest(CAST(:ids AS text[]), CAST(:terms AS text[])) AS n(id, terms)
WHERE c."id" = n.id
""")

LIST = sa.text("""
SELECT "id", "title", "fileName", "level", "specialty", "course", "source", "pageCount", "chunkCount", "indexVersion",
       "updatedAt"
FROM "CourseDocument" ORDER BY "level", "specialty", "course", "title", "id"
""")

# Each rare stem is looked up in the GIN index on its own, and so are its levels, which makes the index an inverted list
# with frequencies: BM25, but for the length of passages, is then a sum over those lists. The next stems are looked up
# only together with a rare one, and all of them in the best passages, where the whole of BM25 is counted.
SEARCH = """
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:items AS int[]), CAST(:terms AS text[]), CAST(:weights AS float8[]),
                         CAST(:shares AS float8[]), CAST(:subjects AS bool[])) AS a(item, term, weight, share, subject)
), known AS (
    SELECT a.item, COALESCE({matched_term}, a.term) AS term, a.weight, a.share, a.subject,
           COALESCE(t."chunkCount", {fuzzy_count}, 0) AS chunks
    FROM asked a LEFT JOIN "CourseTerm" t ON t."term" = a.term {fuzzy}
), weighted AS (
    SELECT item, term, chunks, max(weight) * rarity AS worth, max(share) * rarity AS about, bool_or(subject) AS subject
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
    SELECT item, sum(about) FILTER (WHERE place <= :ideal_terms) AS about,
           power(sum(about) FILTER (WHERE place <= :ideal_terms), 2)
               / NULLIF(sum(power(about, 2)) FILTER (WHERE place <= :ideal_terms), 0) AS breadth,
           bool_or(subject) AS has_subject,
           CASE WHEN count(*) FILTER (WHERE chunks > 0) > :few THEN 2 ELSE 1 END AS least
    FROM valued GROUP BY item
), rare AS MATERIALIZED (
    SELECT item, string_agg(term, '|')::tsquery AS query, max(read) AS read FROM valued
    WHERE chunks > 0 AND (read <= :postings OR (read = chunks AND chunks <= :longest)) GROUP BY item
), looked_up AS MATERIALIZED (
    SELECT v.item, v.worth * l.gain AS worth, (l.prefix || substr(v.term, 2))::tsquery AS query, l.level
    FROM valued v JOIN rare r ON r.item = v.item AND v.read <= r.read AND v.chunks > 0
    CROSS JOIN (VALUES {levels}) AS l(level, prefix, gain)
    UNION ALL
    SELECT item, worth, query, 1 FROM (
        SELECT v.item, v.worth, r.query && v.term::tsquery AS query,
               row_number() OVER (PARTITION BY v.item ORDER BY v.chunks, v.term COLLATE "C") AS place
        FROM valued v JOIN rare r ON r.item = v.item AND v.read > r.read
    ) frequent WHERE place <= :frequent
), hit AS (
    SELECT l.item, c.tid, c."documentId", sum(l.worth) AS worth
    FROM looked_up l CROSS JOIN LATERAL (
        SELECT k.ctid AS tid, k."documentId" FROM "CourseChunk" k WHERE k."search" @@ l.query
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
), {nearest} best AS MATERIALIZED (
    SELECT item, tid FROM ranked WHERE place <= :candidates
    {or_nearest}
), stem AS MATERIALIZED (
    SELECT b.item, b.tid, t.lexeme, cardinality(t.positions)::float8 AS times
    FROM best b JOIN "CourseChunk" c ON c.ctid = b.tid CROSS JOIN LATERAL unnest(c."search") AS t
    WHERE starts_with(t.lexeme, '{prefix}')
), long AS (
    SELECT item, tid, {k1} * (1 - {b} + {b} * sum(times) / CAST(:average AS float8)) AS damping
    FROM stem GROUP BY item, tid
), scored AS MATERIALIZED (
    SELECT s.item, s.tid, sum(v.worth * s.times * {k1_1} / (s.times + l.damping)) AS score,
           sum(v.about * LEAST(1, s.times * {k1_1} / (s.times + l.damping) / {wholly})) AS about,
           bool_or(v.subject) AS subject
    FROM stem s JOIN valued v ON v.item = s.item AND v.term = s.lexeme
    JOIN long l ON l.item = s.item AND l.tid = s.tid
    GROUP BY s.item, s.tid
)
SELECT s.item, c."id", c."documentId", c."position", c."text", d."title", d."level", d."specialty", d."course",
       d."source", c."page", c."lastPage", s.score, s.about / i.about AS coverage, i.breadth,
       s.subject OR NOT i.has_subject AS names_subject,
       CASE WHEN d."specialtyKey" IS NULL THEN 2
            WHEN d."specialtyKey" IS DISTINCT FROM w.specialty_key THEN 3
            WHEN d."level" IS NOT DISTINCT FROM w.level THEN 0 ELSE 1 END AS scope,
       {similarity} AS similarity
FROM scored s
JOIN wanted w ON w.item = s.item
JOIN ideal i ON i.item = s.item AND i.about > 0
JOIN "CourseChunk" c ON c.ctid = s.tid
JOIN "CourseDocument" d ON d."id" = c."documentId"
{similarity_join}
ORDER BY s.item, s.score DESC, c."documentId" COLLATE "C", c."position"
"""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One ingested document, as `medq courses` lists it."""

    id: str
    title: str
    file_name: str
    labels: CourseLabels
    page_count: int | None
    chunk_count: int
    updated_at: datetime
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A passage as far as its stems are made of it."""

    id: str
    heading: str | None
    text: str


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A stored document as far as its stems are made of it."""

    title: str
    labels: CourseLabels
    chunks: tuple[StoredChunk, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """The batch's queries as vectors, in the order of the queries, and the model that made them."""

    model: str
    queries: Sequence[Sequence[float]]


# -- the store -------------------------------------------------------------------------------------------------------


def read_corpus(connection: sa.Connection, *, model: str | None = None) -> Corpus:
    """How much there is to search, and whether with vectors of `model`. Cheap: it counts documents, not passages."""
    told = connection.execute(CORPUS, {"version": INDEX_VERSION}).one()
    documents, chunks, terms, outdated, has_trigrams, has_vectors = told
    if documents and has_vectors and model is not None:
        statement = sa.text('SELECT EXISTS (SELECT FROM "CourseVector" WHERE "model" = :model)')
        has_vectors = connection.execute(statement, {"model": model}).scalar_one()
    return Corpus(
        documents=documents,
        chunks=int(chunks),
        terms=int(terms),
        outdated=outdated,
        has_trigrams=has_trigrams,
        has_vectors=bool(documents and has_vectors and model is not None),
    )


def find_same(connection: sa.Connection, content_hash: str) -> str | None:
    """The id of the document with this content, if it is stored."""
    statement = sa.text('SELECT "id" FROM "CourseDocument" WHERE "contentHash" = :hash')
    found: str | None = connection.execute(statement, {"hash": content_hash}).scalar_one_or_none()
    return found


def relabel_document(
    connection: sa.Connection, document_id: str, *, title: str, file_name: str, labels: CourseLabels, key: str | None
) -> bool:
    """Correct what is said of a stored document; False when it said so already."""
    parameters = {
        "id": document_id,
        "title": title,
        "file_name": file_name,
        **_labels(labels),
        "specialty_key": key,
        "now": utc_now(),
    }
    return connection.execute(RELABEL, parameters).rowcount == 1


def store_document(connection: sa.Connection, document: NewDocument) -> tuple[str, int]:
    """Store a document and its passages in place of an earlier one of the same name; (its id, how many it replaced).

    Ingests take turns until their transactions end.
    """
    wait_for_lock(connection)
    replaced = remove_named(connection, document.file_name)
    document_id = new_id()
    connection.execute(
        INSERT_DOCUMENT,
        {
            "id": document_id,
            "title": document.title,
            "file_name": document.file_name,
            "hash": document.content_hash,
            **_labels(document.labels),
            "specialty_key": document.specialty_key,
            "pages": document.page_count,
            "chunks": len(document.chunks),
            "version": INDEX_VERSION,
            "terms": sum(sum(terms.values()) for terms in document.chunk_terms),
            "now": utc_now(),
        },
    )
    chunks = document.chunks
    connection.execute(
        INSERT_CHUNKS,
        {
            "document_id": document_id,
            "ids": [new_id() for _ in chunks],
            "positions": [chunk.position for chunk in chunks],
            "pages": [chunk.page for chunk in chunks],
            "last_pages": [chunk.last_page for chunk in chunks],
            "headings": [chunk.heading for chunk in chunks],
            "texts": [chunk.text for chunk in chunks],
            "terms": [_lexemes(terms) for terms in document.chunk_terms],
        },
    )
    _count_terms(connection, document.chunk_terms)
    return document_id, replaced


def remove_document(connection: sa.Connection, document_id: str) -> int:
    """Remove a document, its passages and their share of the vocabulary; how many documents that was (0 or 1)."""
    wait_for_lock(connection)
    connection.execute(UNCOUNT_TERMS, {"id": document_id})
    connection.execute(sa.text('DELETE FROM "CourseTerm" WHERE "chunkCount" <= 0'))
    deleted = connection.execute(sa.text('DELETE FROM "CourseDocument" WHERE "id" = :id'), {"id": document_id})
    return deleted.rowcount


def remove_named(connection: sa.Connection, file_name: str, *, but: str | None = None) -> int:
    """Remove the documents of this file name, save one; how many."""
    statement = sa.text(
        'SELECT "id" FROM "CourseDocument" WHERE "fileName" = :file_name AND "id" IS DISTINCT FROM :but'
    )
    found = connection.execute(statement, {"file_name": file_name, "but": but}).scalars().all()
    return sum(remove_document(connection, document_id) for document_id in found)


def list_documents(connection: sa.Connection) -> list[StoredDocument]:
    """Every document, by level, specialty, course and title."""
    return [
        StoredDocument(
            id=row["id"],
            title=row["title"],
            file_name=row["fileName"],
            labels=CourseLabels(row["level"], row["specialty"], row["course"], row["source"]),
            page_count=row["pageCount"],
            chunk_count=row["chunkCount"],
            updated_at=row["updatedAt"],
            is_outdated=row["indexVersion"] < INDEX_VERSION,
        )
        for row in connection.execute(LIST).mappings()
    ]


def find_outdated(connection: sa.Connection) -> list[tuple[str, str]]:
    """Documents whose stems an earlier release made: (id, title)."""
    statement = sa.text('SELECT "id", "title" FROM "CourseDocument" WHERE "indexVersion" < :version ORDER BY "id"')
    return [(row[0], row[1]) for row in connection.execute(statement, {"version": INDEX_VERSION})]


def read_document(connection: sa.Connection, document_id: str) -> IndexedDocument | None:
    """What stems are made of, or None when the document is gone."""
    statement = sa.text("""
        SELECT "title", "level", "specialty", "course", "source" FROM "CourseDocument" WHERE "id" = :id
    """)
    found = connection.execute(statement, {"id": document_id}).one_or_none()
    if found is None:
        return None
    of_it = sa.text('SELECT "id", "heading", "text" FROM "CourseChunk" WHERE "documentId" = :id ORDER BY "position"')
    chunks = tuple(StoredChunk(*row) for row in connection.execute(of_it, {"id": document_id}))
    return IndexedDocument(found[0], CourseLabels(*found[1:]), chunks)


def index_document(connection: sa.Connection, document_id: str, terms: Mapping[str, Mapping[str, int]]) -> None:
    """Give a stored document these stems, by passage id, beside those of the release before this one alone."""
    connection.execute(UNCOUNT_TERMS, {"id": document_id})
    texts = [_lexemes(of_one) for of_one in terms.values()]
    connection.execute(REINDEX_CHUNKS, {"ids": list(terms), "terms": texts, "kept": OLDER_STEM})
    connection.execute(RECOUNT_TERMS, {"id": document_id})
    connection.execute(sa.text('DELETE FROM "CourseTerm" WHERE "chunkCount" <= 0'))
    length = sum(sum(of_one.values()) for of_one in terms.values())
    statement = sa.text('UPDATE "CourseDocument" SET "indexVersion" = :version, "termCount" = :length WHERE "id" = :id')
    connection.execute(statement, {"version": INDEX_VERSION, "length": length, "id": document_id})


def list_passages(connection: sa.Connection) -> list[StoredPassage]:
    """Every passage, document by document in their order. For measuring; a store may hold many."""
    statement = sa.text("""
        SELECT c."id", d."fileName", c."text", c."page", c."lastPage"
        FROM "CourseChunk" c JOIN "CourseDocument" d ON d."id" = c."documentId"
        ORDER BY d."fileName" COLLATE "C", d."id", c."position"
    """)
    rows = connection.execute(statement).mappings()
    return [StoredPassage(r["id"], r["fileName"], r["text"], r["page"], r["lastPage"]) for r in rows]


def flush_index(connection: sa.Connection) -> None:
    """Put what the GIN index keeps waiting into its lists: each look-up would read all that waits.

    Only the owner of the tables may; to others autovacuum does it, later.
    """
    statement = sa.text("""
        SELECT gin_clean_pending_list(c.oid::regclass) FROM pg_class c
        WHERE c.oid = '"CourseChunk_search_idx"'::regclass AND pg_has_role(c.relowner, 'USAGE')
    """)
    connection.execute(statement)


def add_trigrams(connection: sa.Connection) -> bool:
    """Have misspelled words found by trigrams, where the server can."""
    return bool(connection.execute(sa.text("SELECT medq_add_course_trigrams()")).scalar_one())


def add_vectors(connection: sa.Connection, model: str, dimensions: int) -> bool:
    """Make room for this model's vectors, where the server can."""
    statement = sa.text("SELECT medq_add_course_vectors(:model, :dimensions)")
    return bool(connection.execute(statement, {"model": model, "dimensions": dimensions}).scalar_one())


def find_unembedded(connection: sa.Connection, model: str, *, most: int) -> list[tuple[str, str]]:
    """Passages without a vector of this model: (id, text), at most so many."""
    statement = sa.text("""
        SELECT c."id", concat_ws(E'\\n', c."heading", c."text") FROM "CourseChunk" c
        WHERE NOT EXISTS (SELECT FROM "CourseVector" v WHERE v."chunkId" = c."id" AND v."model" = :model)
        ORDER BY c."id" LIMIT :most
    """)
    return [(row[0], row[1]) for row in connection.execute(statement, {"model": model, "most": most})]


def store_vectors(connection: sa.Connection, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
    """Store vectors by passage id. A passage that is gone by now is left out."""
    statement = sa.text("""
        INSERT INTO "CourseVector" ("chunkId", "model", "embedding")
        SELECT n.id, :model, n.embedding::vector FROM unnest(CAST(:ids AS text[]), CAST(:embeddings AS text[]))
            AS n(id, embedding) JOIN "CourseChunk" c ON c."id" = n.id
        ON CONFLICT DO NOTHING
    """)
    parameters = {
        "model": model,
        "ids": list(vectors),
        "embeddings": [_vector_text(vector) for vector in vectors.values()],
    }
    connection.execute(statement, parameters)


# -- the search ------------------------------------------------------------------------------------------------------


def search_passages(
    connection: sa.Connection, queries: Sequence[CourseQuery], corpus: Corpus, *, vectors: Vectors | None = None
) -> dict[str, list[FoundPassage]]:
    """Search for a whole batch in one statement; by item id, the passages that share most with each query.

    Deterministic for the same store. Raises whatever PostgreSQL does, after two seconds at the latest.
    """
    connection.execute(sa.text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
    statement, parameters = search_statement(queries, corpus, vectors=vectors)
    found: dict[str, list[FoundPassage]] = {query.item_id: [] for query in queries}
    for row in connection.execute(statement, parameters).mappings():
        found[queries[row["item"]].item_id].append(_passage(dict(row)))
    return found


def search_statement(
    queries: Sequence[CourseQuery], corpus: Corpus, *, vectors: Vectors | None = None
) -> tuple[sa.TextClause, dict[str, Any]]:
    """The statement of `search_passages` and its parameters, also for showing its plan."""
    asked = [
        (number, _key(term), weight, weight * (ASKING if term in query.asking else 1.0), term in query.subject)
        for number, query in enumerate(queries)
        for term, weight in query.terms.items()
    ]
    parameters: dict[str, Any] = {
        "items": [number for number, *_ in asked],
        "terms": [term for _, term, *_ in asked],
        "weights": [float(weight) for _, _, weight, *_ in asked],
        "shares": [float(share) for *_, share, _ in asked],
        "subjects": [subject for *_, subject in asked],
        "numbers": list(range(len(queries))),
        "levels": [query.level for query in queries],
        "specialty_keys": [query.specialty_key for query in queries],
        "corpus": max(corpus.chunks, SMALLEST_CORPUS),
        "ideal_terms": IDEAL_TERMS,
        "postings": POSTINGS_PER_QUERY,
        "longest": LONGEST_LIST,
        "frequent": FREQUENT_TERMS,
        "few": FEW_TERMS,
        "candidates": CANDIDATES_PER_SCOPE,
        "average": max(1.0, corpus.terms / max(1, corpus.chunks)),
    }
    parts = {**_ranking_parts(), **_fuzzy_parts(corpus), **_vector_parts(vectors)}
    if vectors is not None:
        parameters["vectors"] = [_vector_text(vector) for vector in vectors.queries]
        parameters["model"] = vectors.model
    return sa.text(SEARCH.format(**parts)), parameters


def _ranking_parts() -> dict[str, str]:
    """The constants of BM25, and what each level of a stem adds to one occurrence."""
    rows, before = [], 0.0
    for level in (1, *LEVELS):
        gain = level * (K1 + 1) / (level + K1) - before
        rows.append(f"({level}, '{_prefix(level)}', {gain:.6f}::float8)")
        before += gain
    return {
        "levels": ", ".join(rows),
        "k1_1": f"{K1 + 1}",
        "k1": f"{K1}",
        "b": f"{B}",
        "prefix": _key(""),
        "wholly": f"{WHOLLY:.6f}",
    }


def _fuzzy_parts(corpus: Corpus) -> dict[str, str]:
    if not corpus.has_trigrams:
        return {"matched_term": 't."term"', "fuzzy_count": "NULL", "fuzzy": ""}
    return {
        "matched_term": 't."term", near."term"',
        "fuzzy_count": 'near."chunkCount"',
        "fuzzy": f"""
            LEFT JOIN LATERAL (
            SELECT n."term", n."chunkCount" FROM "CourseTerm" n
            WHERE t."term" IS NULL AND n."term" LIKE '{PREFIX}\\_%' AND length(a.term) >= 7 AND a.term !~ '[0-9]'
              AND n."term" % a.term
              AND similarity(n."term", a.term) >= {FUZZY_SIMILARITY}
            ORDER BY similarity(n."term", a.term) DESC, n."term" LIMIT 1
        ) near ON true""",  # noqa: S608 (constants of this file)
    }


def _vector_parts(vectors: Vectors | None) -> dict[str, str]:
    if vectors is None:
        return {"nearest": "", "or_nearest": "", "similarity": "NULL::float8", "similarity_join": ""}
    dimensions = len(vectors.queries[0])
    # The planner uses a partial index only for a model that stands in the statement itself.
    model = "'" + vectors.model.replace("'", "''").replace(":", "\\:") + "'"
    distance = f'(v."embedding"::vector({dimensions})) <=> q.embedding::vector({dimensions})'
    asked = "unnest(CAST(:numbers AS int[]), CAST(:vectors AS text[])) AS q(item, embedding)"
    return {
        "nearest": f"""nearest AS (
            SELECT q.item, c.ctid AS tid FROM {asked} CROSS JOIN LATERAL (
                SELECT v."chunkId" FROM "CourseVector" v WHERE v."model" = {model}
                ORDER BY {distance} LIMIT {VECTOR_CANDIDATES}
            ) n JOIN "CourseChunk" c ON c."id" = n."chunkId"
        ),""",  # noqa: S608 (constants, and the operator's own model name, quoted)
        "or_nearest": "UNION SELECT item, tid FROM nearest",
        "similarity": f"1 - ({distance})",
        "similarity_join": f"""JOIN {asked} ON q.item = s.item
            LEFT JOIN "CourseVector" v ON v."chunkId" = c."id" AND v."model" = {model}""",
    }


def _passage(row: Mapping[str, Any]) -> FoundPassage:
    return FoundPassage(
        chunk_id=row["id"],
        document_id=row["documentId"],
        position=row["position"],
        text=row["text"],
        title=row["title"],
        labels=CourseLabels(row["level"], row["specialty"], row["course"], row["source"]),
        page=row["page"],
        last_page=row["lastPage"],
        score=float(row["score"]),
        coverage=float(row["coverage"]),
        breadth=float(row["breadth"]),
        names_subject=row["names_subject"],
        scope=row["scope"],
        similarity=None if row["similarity"] is None else float(row["similarity"]),
    )


def wait_for_lock(connection: sa.Connection) -> None:
    """Wait for other ingests that are storing, until the transaction ends: all count in the same vocabulary."""
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})


def _prefix(level: int) -> str:
    return PREFIX + ("" if level == 1 else str(level))


def _key(term: str, level: int = 1) -> str:
    """A stem as it is stored. No stem of the first version of the index holds an underscore."""
    return f"{_prefix(level)}_{term}"


def _lexemes(terms: Mapping[str, int]) -> str:
    """A passage's stems as the text of a tsvector: as many positions as there are occurrences, and the levels."""
    parts = []
    for term, count in sorted(terms.items()):
        positions = ",".join(map(str, range(1, min(count, MOST_POSITIONS) + 1)))
        parts.append(f"{_key(term)}:{positions}")
        parts += [_key(term, level) for level in LEVELS if count >= level]
    return " ".join(parts)


def _count_terms(connection: sa.Connection, chunk_terms: Sequence[Mapping[str, int]]) -> None:
    counts = Counter(_key(term) for terms in chunk_terms for term in terms)
    terms = sorted(counts)
    connection.execute(COUNT_TERMS, {"terms": terms, "counts": [counts[term] for term in terms]})


def _labels(labels: CourseLabels) -> dict[str, str | None]:
    return {
        "level": labels.level,
        "specialty": labels.specialty,
        "course": labels.course,
        "source": labels.source,
    }


def _vector_text(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"
