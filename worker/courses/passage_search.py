"""Searches the course passages for a whole batch at once.

What a word is worth looking for, and what is done with what is found, is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.courses.document import INDEX_VERSION, Corpus, CourseLabels, CourseQuery, FoundPassage
from worker.courses.index_terms import stored_stem, vector_text
from worker.courses.orders import ORDERS_VERSION
from worker.db.statements import load_statements

# A search reads at most so many passages per question to find the rarest words, and looks at the best of them whole.
POSTINGS_PER_QUERY = 1_000
LONGEST_LIST = 20_000  # of a question whose rarest word is not rare
FREQUENT_TERMS = 3
FEW_TERMS = 3  # of more that some passage holds, a candidate shares two
CANDIDATES_PER_SCOPE = 24
# The words of the best imaginable passage: a long case must not make every passage look poor.
IDEAL_TERMS = 12
# Below so many passages, how often a word occurs says little about how rare it is.
SMALLEST_CORPUS = 1_000
# Okapi BM25 with Lucene's constants (Robertson and Zaragoza, The probabilistic relevance framework, 2009): in the SQL.
# What is asked of any subject counts for so much when it is judged what a passage is about.
ASKING = 0.35
# A passage names the subject that holds one of its words as rare, or nearly so, as the rarest of the question's own:
# of `insuffisance rénale chronique` a passage on another insufficiency does not.
SUBJECT_SHARE = 0.7
STATEMENT_TIMEOUT_MS = 2_000

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Vectors:
    """The batch's queries as vectors, in the order of the queries, and the model that made them."""

    model: str
    queries: Sequence[Sequence[float]]


def read_corpus(connection: sa.Connection, *, model: str | None = None) -> Corpus:
    """How much there is to search, and whether with vectors of `model`. Cheap: it counts documents, not passages."""
    told = connection.execute(SQL["read_corpus"], {"version": INDEX_VERSION, "orders": ORDERS_VERSION}).one()
    documents, chunks, terms, outdated, unchecked, has_trigrams, has_vectors = told
    if documents and has_vectors and model is not None:
        has_vectors = connection.execute(SQL["has_vectors_of"], {"model": model}).scalar_one()
    return Corpus(
        documents=documents,
        chunks=int(chunks),
        terms=int(terms),
        outdated=outdated,
        unchecked=unchecked,
        has_trigrams=has_trigrams,
        has_vectors=bool(documents and has_vectors and model is not None),
    )


def search_passages(
    connection: sa.Connection, queries: Sequence[CourseQuery], corpus: Corpus, *, vectors: Vectors | None = None
) -> dict[str, list[FoundPassage]]:
    """Search for a whole batch in one statement; by item id, the passages that share most with each query.

    Deterministic for the same store. With vectors, those that are near are candidates too, and all are told how near.
    Raises whatever PostgreSQL does, after two seconds at the latest.
    """
    connection.execute(SQL["limit_time"], {"milliseconds": str(STATEMENT_TIMEOUT_MS)})
    near = [] if vectors is None else _find_nearest(connection, vectors)
    statement, parameters = search_statement(queries, corpus, near=near)
    rows = connection.execute(statement, parameters).mappings().all()
    similarity = {} if vectors is None else _compare(connection, vectors, rows)
    found: dict[str, list[FoundPassage]] = {query.item_id: [] for query in queries}
    for row in rows:
        found[queries[row["item"]].item_id].append(_passage(row, similarity.get((row["item"], row["id"]))))
    return found


def search_statement(
    queries: Sequence[CourseQuery], corpus: Corpus, *, near: Sequence[tuple[int, str]] = ()
) -> tuple[sa.TextClause, dict[str, Any]]:
    """The statement of `search_passages` and its parameters, also for showing its plan.

    `near`: passages that are candidates whatever they share, each with the number of its query.
    """
    asked = [
        (number, stored_stem(term), weight, weight * (ASKING if term in query.asking else 1.0), term in query.subject)
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
        "near_items": [number for number, _ in near],
        "near_ids": [chunk_id for _, chunk_id in near],
        "corpus": max(corpus.chunks, SMALLEST_CORPUS),
        "ideal_terms": IDEAL_TERMS,
        "subject_share": SUBJECT_SHARE,
        "postings": POSTINGS_PER_QUERY,
        "longest": LONGEST_LIST,
        "frequent": FREQUENT_TERMS,
        "few": FEW_TERMS,
        "candidates": CANDIDATES_PER_SCOPE,
        "average": max(1.0, corpus.terms / max(1, corpus.chunks)),
    }
    return SQL["search_misspelled" if corpus.has_trigrams else "search"], parameters


def _find_nearest(connection: sa.Connection, vectors: Vectors) -> list[tuple[int, str]]:
    dimensions = len(vectors.queries[0])
    statement = sa.text(SQL["nearest"].text.format(dimensions=dimensions))
    return [(row[0], row[1]) for row in connection.execute(statement, _numbered(vectors))]


def _compare(
    connection: sa.Connection, vectors: Vectors, rows: Sequence[Mapping[Any, Any]]
) -> dict[tuple[int, str], float]:
    """Number of a query and id of a passage → how near they are; without passages that have no vector."""
    pairs = {"items": [row["item"] for row in rows], "ids": [row["id"] for row in rows]}
    found = connection.execute(SQL["similarities"], {**_numbered(vectors), **pairs})
    return {(row.item, row.id): float(row.similarity) for row in found}


def _numbered(vectors: Vectors) -> dict[str, Any]:
    texts = [vector_text(vector) for vector in vectors.queries]
    return {"model": vectors.model, "numbers": list(range(len(texts))), "vectors": texts}


def _passage(row: Mapping[Any, Any], similarity: float | None) -> FoundPassage:
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
        similarity=similarity,
    )
