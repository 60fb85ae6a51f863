"""How well course passages are found: a corpus stored as `medq ingest` would, questions asked, recall and MRR."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.support.courses import AskedQuestion, Course
from worker.courses import document_store, passage_search
from worker.courses.chunk import chunk_document
from worker.courses.document import Corpus, CourseLabels, NewDocument
from worker.courses.embedder import Role
from worker.courses.embeddings import EmbeddingClient
from worker.courses.extract.markdown import read_markdown
from worker.courses.passage_search import Vectors
from worker.courses.search import choose_excerpts, compose_query, fold_specialty, index_terms
from worker.db.engine import Database

# The texts of what is found for each question, best first.
Search = Callable[[Sequence[AskedQuestion]], list[list[str]]]


def store(database: Database, courses: Sequence[Course]) -> None:
    """Put the corpus in as `medq ingest` would, one document for each condition."""
    for course in courses:
        condition = course.condition
        chunks = chunk_document(read_markdown(course.markdown().encode()))
        assert len(chunks) == len(course.passages), condition.name
        context = f"{condition.name} {condition.specialty}"
        document = NewDocument(
            title=condition.name,
            file_name=condition.name,
            content_hash=condition.name,
            labels=CourseLabels("DCEM2", condition.specialty, None, None),
            specialty_key=fold_specialty(condition.specialty),
            page_count=None,
            chunks=chunks,
            chunk_terms=tuple(index_terms(f"{context}\n{chunk.heading}\n{chunk.text}") for chunk in chunks),
        )
        database.transact(partial(document_store.store_document, document=document))
    finish_index(database)


def finish_index(database: Database) -> None:
    """What ingest and autovacuum would have done by now."""
    database.transact(document_store.flush_index)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


@dataclass
class Figures:
    """What one way of searching came to."""

    recall_1: float
    recall_5: float
    mrr: float
    off_corpus: float  # share of questions without a passage that were given one all the same
    shown: float  # excerpts for a question with a passage, on average
    by_kind: dict[str, float]  # recall@5


def measure_relevance(search: Search, asked: Sequence[AskedQuestion], texts: dict[str, str]) -> Figures:
    """Ask in batches of five. `texts`: passage key → what its chunk holds."""
    ranks: list[int | None] = []
    kinds: dict[str, list[bool]] = defaultdict(list)
    shown: list[int] = []
    injected: list[bool] = []
    for start in range(0, len(asked), 5):
        batch = asked[start : start + 5]
        for question, found in zip(batch, search(batch), strict=True):
            if question.key is None:
                injected.append(bool(found))
                continue
            wanted = texts[question.key]
            rank = next((n for n, text in enumerate(found[:5], start=1) if wanted in text), None)
            ranks.append(rank)
            kinds[question.kind].append(rank is not None)
            shown.append(len(found))
    return Figures(
        recall_1=statistics.mean(rank == 1 for rank in ranks),
        recall_5=statistics.mean(rank is not None for rank in ranks),
        mrr=statistics.mean(1 / rank if rank else 0 for rank in ranks),
        off_corpus=statistics.mean(injected) if injected else 0.0,
        shown=statistics.mean(shown),
        by_kind={kind: statistics.mean(hits) for kind, hits in sorted(kinds.items())},
    )


def our_search(database: Database, corpus: Corpus, embedder: EmbeddingClient | None = None) -> Search:
    """The worker's own: what it would put into the prompt."""

    def search(asked: Sequence[AskedQuestion]) -> list[list[str]]:
        queries = [compose_query(str(number), one.question) for number, one in enumerate(asked)]
        vectors = Vectors(embedder.model, embedder.embed([q.text for q in queries], Role.QUERY)) if embedder else None
        found = database.transact(lambda c: passage_search.search_passages(c, queries, corpus, vectors=vectors))
        return [[excerpt.text for excerpt in choose_excerpts(found[query.item_id])] for query in queries]

    return search
