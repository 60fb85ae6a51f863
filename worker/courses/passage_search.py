"""Searches the course passages for a whole batch at once.

What a word is worth, and what is done with what is found, is not decided here.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from worker.courses.document import INDEX_VERSION, Corpus, CourseLabels, CourseQuery, FoundPassage
from worker.courses.index_terms import own_stem, stored_stem, vector_text
from worker.courses.orders import ORDERS_VERSION
from worker.courses.search.spelling import Neighbourhood, Spelling, neighbourhood, spell
from worker.courses.weigh import WeighedQuery, join_compounds, weigh_query
from worker.db.statements import load_statements

CANDIDATES_PER_SCOPE = 24
# Of the words of a question that no passage holds, so many are looked for under another spelling, its own words first.
MOST_UNKNOWN = 8
STATEMENT_TIMEOUT_MS = 2_000
# So many passages tell how near passages are at large, and so many at least.
SAMPLED, ENOUGH_SAMPLED = 500, 30

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Vectors:
    """The batch's queries as vectors, in the order of the queries, and the model that made them."""

    model: str
    queries: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class _Background:
    """The cosines of passages at large to one query: what models call near differs from one to the next."""

    mean: float
    spread: float
    passages: int  # of the store

    def place(self, cosine: float) -> float | None:
        """How far beyond the nearest of so many passages by chance, in standard deviations.

        The greatest of n normal values is near √(2·ln n) (Cramér, Mathematical Methods of Statistics, 1946).
        """
        if not self.spread:
            return None
        return (cosine - self.mean) / self.spread - math.sqrt(2 * math.log(max(2, self.passages)))


_UNTOLD = _Background(0.0, 0.0, 0)


def read_corpus(connection: sa.Connection, *, model: str | None = None) -> Corpus:
    """How much there is to search, and whether with vectors of `model`. Cheap: it counts documents, not passages."""
    told = connection.execute(SQL["read_corpus"], {"version": INDEX_VERSION, "orders": ORDERS_VERSION}).one()
    documents, chunks, terms, outdated, unchecked, has_vectors = told
    if documents and has_vectors and model is not None:
        has_vectors = connection.execute(SQL["has_vectors_of"], {"model": model}).scalar_one()
    return Corpus(
        documents=documents,
        chunks=int(chunks),
        terms=int(terms),
        outdated=outdated,
        unchecked=unchecked,
        has_vectors=bool(documents and has_vectors and model is not None),
    )


def search_passages(
    connection: sa.Connection, queries: Sequence[CourseQuery], corpus: Corpus, *, vectors: Vectors | None = None
) -> dict[str, list[FoundPassage]]:
    """Search for a whole batch at once; by item id, the passages that share most with each query.

    Two statements, and a third where the questions hold words that no passage does. Deterministic for the same store.
    With vectors, those that are near are candidates too, and all are told how near. Raises whatever PostgreSQL does,
    after two seconds at the latest.
    """
    weighed = weigh_queries(connection, queries, corpus)
    near = [] if vectors is None else _find_nearest(connection, vectors)
    statement, parameters = search_statement(queries, weighed, near=near)
    rows = connection.execute(statement, parameters).mappings().all()
    similarity = {} if vectors is None else _compare(connection, vectors, rows)
    background = {} if vectors is None else _read_background(connection, vectors, corpus)
    found: dict[str, list[FoundPassage]] = {query.item_id: [] for query in queries}
    for row in rows:
        number = row["item"]
        passage = _passage(row, weighed[number], _average(corpus))
        if (cosine := similarity.get((number, row["id"]))) is not None:
            passage = replace(passage, similarity=cosine, nearness=background.get(number, _UNTOLD).place(cosine))
        found[queries[number].item_id].append(passage)
    for passages in found.values():
        passages.sort(key=lambda passage: -passage.score)  # (of equals the order stays)
    return found


def weigh_queries(connection: sa.Connection, queries: Sequence[CourseQuery], corpus: Corpus) -> list[WeighedQuery]:
    """What the words of each query are worth here; misspelled ones as the words of the courses that are meant."""
    terms = {stored_stem(term) for query in queries for term in (*query.terms, *query.compounds)}
    limits = {"milliseconds": str(STATEMENT_TIMEOUT_MS), "terms": sorted(terms)}
    told = connection.execute(SQL["find_terms"], limits)
    passages = {own_stem(row[0]): row[1] for row in told if row[0] is not None}
    queries = [join_compounds(query, passages) for query in queries]
    spelling = _spell(connection, queries, passages)
    return [weigh_query(query, passages, spelling, corpus=corpus.chunks) for query in queries]


def _spell(connection: sa.Connection, queries: Sequence[CourseQuery], passages: dict[str, int]) -> Spelling:
    """What the words stand for that no passage holds; `passages` learns of those that are meant."""
    unknown = {term for query in queries for term in query.terms if term not in passages}
    sought: dict[str, Neighbourhood] = {}
    for query in queries:
        places = (neighbourhood(term) for term in query.terms if term in unknown)
        sought.update({place.stem: place for place in [one for one in places if one is not None][:MOST_UNKNOWN]})
    neighbours: dict[str, dict[str, int]] = defaultdict(dict)
    if sought:
        statement, parameters = neighbours_statement(list(sought.values()))
        for stem, term, count in connection.execute(statement, parameters):
            neighbours[stem][own_stem(term)] = count
    for words in neighbours.values():
        passages.update(words)
    return spell(unknown, neighbours)


def neighbours_statement(places: Sequence[Neighbourhood]) -> tuple[sa.TextClause, dict[str, Any]]:
    """The statement that finds the words of the courses near others, and its parameters, also for showing its plan.

    Words that begin with `abc` lie from `abc` to before `abd`; those that end with it do so read backwards.
    """
    by_length = [(place, length) for place in places for length in place.lengths]
    beginnings = [stored_stem(place.beginning) for place, _ in by_length]
    ends = [place.end[::-1] for place, _ in by_length]
    parameters: dict[str, Any] = {
        "words": [place.stem for place, _ in by_length],
        "lengths": [len(stored_stem("")) + length for _, length in by_length],
        "initials": [stored_stem(place.stem[0]) for place, _ in by_length],
        "beginnings": beginnings,
        "beyond_beginnings": [_beyond(text) for text in beginnings],
        "ends": ends,
        "beyond_ends": [_beyond(text) for text in ends],
    }
    return SQL["find_neighbours"], parameters


def _beyond(text: str) -> str:
    return text[:-1] + chr(ord(text[-1]) + 1)


def search_statement(
    queries: Sequence[CourseQuery], weighed: Sequence[WeighedQuery], *, near: Sequence[tuple[int, str]] = ()
) -> tuple[sa.TextClause, dict[str, Any]]:
    """The statement of `search_passages` and its parameters, also for showing its plan.

    `near`: passages that are candidates whatever they share, each with the number of its query.
    """
    lookups = [(number, one) for number, query in enumerate(weighed) for one in query.lookups]
    parameters: dict[str, Any] = {
        "look_up_items": [number for number, _ in lookups],
        "look_ups": [one.query for _, one in lookups],
        "look_up_worths": [one.worth for _, one in lookups],
        "look_up_levels": [one.level for _, one in lookups],
        "numbers": list(range(len(queries))),
        "levels": [query.level for query in queries],
        "specialty_keys": [query.specialty_key for query in queries],
        "leasts": [query.least for query in weighed],
        "words": [
            json.dumps({stored_stem(term.stem): 1 for term in query.terms if term.passages}) for query in weighed
        ],
        "near_items": [number for number, _ in near],
        "near_ids": [chunk_id for _, chunk_id in near],
        "candidates": CANDIDATES_PER_SCOPE,
    }
    return SQL["search"], parameters


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


def _read_background(connection: sa.Connection, vectors: Vectors, corpus: Corpus) -> dict[int, _Background]:
    """By number of the query, how near passages at large are to it."""
    percent = min(100.0, 100.0 * SAMPLED / max(1, corpus.chunks))
    rows = connection.execute(SQL["background"], {**_numbered(vectors), "percent": percent})
    return {
        row.item: _Background(row.mean, row.spread, corpus.chunks)
        for row in rows
        if row.passages >= ENOUGH_SAMPLED and row.spread
    }


def _numbered(vectors: Vectors) -> dict[str, Any]:
    texts = [vector_text(vector) for vector in vectors.queries]
    return {"model": vectors.model, "numbers": list(range(len(texts))), "vectors": texts}


def _average(corpus: Corpus) -> float:
    """Stems of a passage of common length."""
    return max(1.0, corpus.terms / max(1, corpus.chunks))


def _passage(row: Mapping[Any, Any], weighed: WeighedQuery, average: float) -> FoundPassage:
    times = {own_stem(stored): count for stored, count in row["times"].items()}
    judged = weighed.judge(times, length=row["length"], average=average)
    return FoundPassage(
        chunk_id=row["id"],
        document_id=row["documentId"],
        position=row["position"],
        text=row["text"],
        title=row["title"],
        labels=CourseLabels(row["level"], row["specialty"], row["course"], row["source"]),
        page=row["page"],
        last_page=row["lastPage"],
        score=judged.score,
        coverage=judged.coverage,
        breadth=weighed.breadth,
        names_subject=judged.names_subject,
        has_known_words=weighed.has_known_words,
        scope=row["scope"],
    )
