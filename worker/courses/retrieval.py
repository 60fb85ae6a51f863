"""The excerpts of a batch: questions into queries, one search, the few passages worth showing. It fails no question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.courses.document import Corpus, CourseQuery
from worker.courses.embedder import Role
from worker.courses.embeddings import EmbeddingClient
from worker.courses.passage_search import Vectors, read_corpus, search_passages
from worker.courses.search import choose_excerpts, compose_query
from worker.db.engine import Database, is_infrastructure_fault
from worker.errors import ProviderUnavailable
from worker.logging import get_logger
from worker.questions.excerpt import Excerpt
from worker.questions.item import PendingItem

log = get_logger()

# For so long a process believes what it last saw of the courses: no query for batches while there are none.
CORPUS_S = 5.0
# An embedding endpoint that failed is left alone for so long: each batch would wait ten seconds for it.
EMBEDDING_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The excerpts by item id; `failed` when there might have been some and the search did not come through."""

    excerpts: Mapping[str, Sequence[Excerpt]] = field(default_factory=dict)
    failed: bool = False


class Retrieval:
    """Shared by the threads of a process. `clock` gives seconds that only grow."""

    def __init__(
        self,
        database: Database,
        embedder: EmbeddingClient | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._clock = clock
        self._lock = threading.Lock()
        self._corpus = Corpus()
        self._read_at: float | None = None
        self._embedding_failed_at: float | None = None
        self._told_outdated = self._told_unchecked = False

    @property
    def has_courses(self) -> bool:
        """Whether there was anything to search when this process last looked."""
        return self._corpus.documents > 0

    def find_excerpts(self, items: Sequence[PendingItem]) -> Retrieved:
        """Search the courses for a whole batch at once. A fault of the search is logged, and the result says so.

        Of a database that is at fault nothing is concluded: it is waited for, as everywhere, and then raised.
        """
        try:
            corpus = self._read_corpus()
            self._tell_outdated(corpus)
            if not corpus.documents or not items:
                return Retrieved()
            queries = [query for item in items if (query := compose_query(item.id, item.question)).terms]
            vectors = self._embed(queries, corpus)
            found = self._database.transact(lambda c: search_passages(c, queries, corpus, vectors=vectors))
        except Exception as error:  # (whatever else it is, the questions go on without excerpts)
            if is_infrastructure_fault(error):
                raise
            log.warning("retrieval_failed", error=type(error).__name__, items=len(items))
            return Retrieved(failed=True)
        chosen = {item_id: choose_excerpts(passages) for item_id, passages in found.items()}
        return Retrieved({item_id: texts for item_id, texts in chosen.items() if texts})

    def _read_corpus(self) -> Corpus:
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= CORPUS_S:
                model = self._embedder.model if self._embedder else None
                self._corpus = self._database.transact(lambda c: read_corpus(c, model=model))
                self._read_at = now
            return self._corpus

    def _tell_outdated(self, corpus: Corpus) -> None:
        """Once, that some courses are not found (their stems are an earlier release's), or may give orders."""
        with self._lock:
            if corpus.outdated and not self._told_outdated:
                self._told_outdated = True
                log.warning("courses_outdated", documents=corpus.outdated, command="medq courses reindex")
            if corpus.unchecked and not self._told_unchecked:
                self._told_unchecked = True
                log.warning("courses_not_looked_at", documents=corpus.unchecked, command="medq courses reindex")

    def _embed(self, queries: Sequence[CourseQuery], corpus: Corpus) -> Vectors | None:
        """The queries as vectors; None without, and when the endpoint fails: words alone find most."""
        if self._embedder is None or not corpus.has_vectors or not queries:
            return None
        failed_at = self._embedding_failed_at
        if failed_at is not None and self._clock() - failed_at < EMBEDDING_PAUSE_S:
            return None
        try:
            return Vectors(self._embedder.model, self._embedder.embed([query.text for query in queries], Role.QUERY))
        except ProviderUnavailable as error:
            self._embedding_failed_at = self._clock()
            log.warning("embedding_failed", code=error.code)
            return None
