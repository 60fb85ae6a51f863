"""Course files into the store: read → cut → stem → store, one transaction a file. How they are searched is not here."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import sqlalchemy as sa

from worker.courses import document_store, held
from worker.courses.chunk import chunk_document
from worker.courses.document import CourseLabels, ExtractedDocument, HeldPassage, NewDocument
from worker.courses.embedder import Embedder, Role
from worker.courses.extract import NO_TEXT, SCAN, DocumentReader, check_size
from worker.courses.labels import read_file_name, read_labels, read_title
from worker.courses.orders import find_orders
from worker.courses.search import drop_empty_names, fold_specialty, index_terms
from worker.db.engine import Database
from worker.errors import UsageError

EMBEDDED_AT_ONCE = 16
MAX_DIMENSIONS = 2_000  # of a vector in an HNSW index of pgvector
EMBEDDING_TIMEOUT_S = 120.0  # a model of one's own may be slow; nobody waits for it

T = TypeVar("T")
FileStatus = Literal["added", "replaced", "unchanged", "relabelled", "duplicate", "refused"]


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one file. `reason` says why it was refused, or whose duplicate it is; numbers are of this call.

    A page without text holds a picture, or is a scan among others that are none. `held`: its passages that are kept
    out of the search, also where nothing changed.
    """

    path: Path
    status: FileStatus
    reason: str | None = None
    pages: int = 0
    chunks: int = 0
    pages_without_text: int = 0
    labels: CourseLabels = field(default_factory=CourseLabels)
    held: tuple[HeldPassage, ...] = ()


def ingest_files(database: Database, files: Iterable[Path], given: CourseLabels) -> Iterator[IngestedFile]:
    """Bring files into the store, one by one, and say what became of each. A file that cannot be read stops none.

    The same content again changes nothing but its labels; a changed file replaces its passages; of several files with
    the same content the first counts. What is `given` wins over what folders tell (`DCEM2/Cardiologie/…`).
    """
    first: dict[str, Path] = {}
    with DocumentReader() as reader:
        opened = (_or_refused(path, partial(_open_file, database, reader, path, first)) for path in files)
        for file in _one_ahead(opened):
            if isinstance(file, _OpenFile):
                yield _or_refused(file.path, partial(_ingest_file, database, reader, file, given))
            else:
                yield file
    _flush(database)


def embed_chunks(database: Database, embedder: Embedder) -> Iterator[int]:
    """Give a vector to every passage that has none of this model; how many each round made.

    Raises `UsageError` when the server has no pgvector or the model too many dimensions, `ProviderUnavailable` when the
    endpoint fails: what was done stays, and calling again goes on.
    """
    dimensions = len(embedder.embed(["dimensions"], Role.PASSAGE, timeout_s=EMBEDDING_TIMEOUT_S)[0])
    if dimensions > MAX_DIMENSIONS:
        raise UsageError(
            f"The vectors of {embedder.model} have {dimensions} dimensions, and pgvector indexes {MAX_DIMENSIONS}: "
            "courses are searched by their words alone. Set MEDQ_EMBEDDING_MODEL to a smaller model."
        )
    if not database.transact(lambda c: document_store.add_vectors(c, embedder.model, dimensions)):
        raise UsageError(
            "This PostgreSQL has no pgvector extension, so MEDQ_EMBEDDING_MODEL is of no use: courses are searched by "
            "their words alone. Install pgvector, or unset the variable."
        )
    while waiting := database.transact(
        lambda c: document_store.find_unembedded(c, embedder.model, most=EMBEDDED_AT_ONCE)
    ):
        made = embedder.embed([text for _, text in waiting], Role.PASSAGE, timeout_s=EMBEDDING_TIMEOUT_S)
        vectors = {chunk_id: vector for (chunk_id, _), vector in zip(waiting, made, strict=True)}
        database.transact(lambda c, vectors=vectors: document_store.store_vectors(c, embedder.model, vectors))  # type: ignore[misc]
        yield len(waiting)


def list_courses(database: Database) -> list[document_store.StoredDocument]:
    """Every stored document."""
    return database.transact(document_store.list_documents)


def count_outdated(database: Database) -> int:
    """How many documents are not searched, or were not looked at for orders, until they are reindexed."""
    return len(database.transact(document_store.find_outdated))


def list_held(database: Database) -> list[HeldPassage]:
    """Every passage that is kept out of the search."""
    return database.transact(held.list_held)


def allow_passages(database: Database, ids: Sequence[str]) -> int:
    """Have these passages searched, all or none; how many there were."""

    def allow(connection: sa.Connection) -> int:
        document_store.wait_for_lock(connection)
        documents = held.allow_passages(connection, ids)
        for document_id in dict.fromkeys(documents):
            _index_again(connection, document_id)
        return len(documents)

    return database.transact(allow)


def reindex_courses(database: Database) -> Iterator[str]:
    """Give documents whose stems an earlier release made those of this one, and look for orders that it did not know.

    The title of each, once it is done. Searches go on meanwhile, of older workers among the old stems, which stay.
    Stopped, it goes on where it was.
    """
    for document_id, title in database.transact(document_store.find_outdated):
        database.transact(lambda c, document_id=document_id: _index_again(c, document_id))  # type: ignore[misc]
        yield title
    _flush(database)


def remove_courses(database: Database, ids: Sequence[str]) -> int:
    """Remove documents with all their passages, all or none; how many there were."""
    return database.transact(lambda c: sum(document_store.remove_document(c, document_id) for document_id in ids))


def _read_file(path: Path) -> bytes:
    """Raises `UsageError` for what is no file to be read, before it fills the memory or is waited for."""
    told = path.stat()
    if not stat.S_ISREG(told.st_mode):
        raise UsageError("it is a folder that cannot be opened" if path.is_dir() else "it is no regular file")
    check_size(path, told.st_size)
    return path.read_bytes()


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """A file's bytes. `first`: the file of this call that holds the same; `reading`: begun, unless the store has it."""

    path: Path
    data: bytes
    content_hash: str
    first: Path
    reading: Future[ExtractedDocument] | None


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Each of them, once the one behind it has been made: a file is read while the one before is stored."""
    waiting: list[T] = []
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def _or_refused(path: Path, step: Callable[[], T]) -> T | IngestedFile:
    try:
        return step()
    except UsageError as error:
        return IngestedFile(path, "refused", reason=str(error))
    except OSError as error:
        return IngestedFile(path, "refused", reason=f"it cannot be opened ({error.strerror or type(error).__name__})")


def _open_file(database: Database, reader: DocumentReader, path: Path, first: dict[str, Path]) -> _OpenFile:
    data = _read_file(path)
    content_hash = hashlib.sha256(data).hexdigest()
    is_new = content_hash not in first and not database.transact(lambda c: document_store.find_same(c, content_hash))
    reading = reader.begin(path, data) if is_new else None
    return _OpenFile(path, data, content_hash, first.setdefault(content_hash, path), reading)


def _ingest_file(database: Database, reader: DocumentReader, file: _OpenFile, given: CourseLabels) -> IngestedFile:
    path, content_hash = file.path, file.content_hash
    labels, name = read_labels(path, given), read_file_name(path)
    if file.first != path:
        database.transact(
            lambda c: document_store.remove_named(c, name, but=document_store.find_same(c, content_hash))
        )  # what it held before it became a copy
        return IngestedFile(path, "duplicate", reason=f"it is the same as {file.first}", labels=labels)
    title, key = read_title(path), fold_specialty(labels.specialty)

    def relabel(connection: sa.Connection) -> FileStatus | None:
        known = document_store.find_same(connection, content_hash)
        if known is None:
            return None
        outdated = document_store.remove_named(connection, name, but=known)
        changed = document_store.relabel_document(
            connection, known, title=title, file_name=name, labels=labels, key=key
        )
        if changed:  # its passages are also found by what it is called
            _index_again(connection, known)
        return "replaced" if outdated else "relabelled" if changed else "unchanged"

    if status := database.transact(relabel):
        return IngestedFile(path, status, labels=labels, held=_held_of(database, content_hash))
    reading = file.reading or reader.begin(path, file.data)
    extracted = reading.result()
    chunks = chunk_document(extracted)
    if not chunks:
        # What there was stands on every page alike: the mark of a scanner, or page numbers.
        raise UsageError(SCAN if extracted.is_typeset else NO_TEXT)
    document = NewDocument(
        title=title,
        file_name=name,
        content_hash=content_hash,
        labels=labels,
        specialty_key=key,
        page_count=extracted.page_count,
        chunks=chunks,
        chunk_terms=tuple(_terms(title, labels, chunk.heading, chunk.text) for chunk in chunks),
        chunk_orders=tuple(find_orders(chunk.text) for chunk in chunks),
    )

    def store(connection: sa.Connection) -> FileStatus:
        document_store.wait_for_lock(connection)
        if status := relabel(connection):
            return status  # another ingest was quicker with the same file
        _, replaced = document_store.store_document(connection, document)
        return "replaced" if replaced else "added"

    stored = database.transact(store)
    if stored not in ("added", "replaced"):
        return IngestedFile(path, stored, labels=labels, held=_held_of(database, content_hash))
    _flush(database)
    return IngestedFile(
        path,
        stored,
        pages=extracted.page_count or 0,
        chunks=len(chunks),
        pages_without_text=sum(not any(line.text.strip() for line in page.lines) for page in extracted.pages),
        labels=labels,
        held=_held_of(database, content_hash),
    )


def _held_of(database: Database, content_hash: str) -> tuple[HeldPassage, ...]:
    return tuple(database.transact(lambda c: held.list_held(c, content_hash)))


def _index_again(connection: sa.Connection, document_id: str) -> None:
    document_store.wait_for_lock(connection)
    document = document_store.read_document(connection, document_id)
    if document is not None:  # it may have been removed meanwhile
        title, labels, chunks = document.title, document.labels, document.chunks
        allowed = held.allowed_sentences(chunk.standing for chunk in chunks)
        terms = {c.id: _terms(title, labels, c.heading, c.text) for c in chunks}
        # Of a passage its text alone reaches a prompt, and what its document is called does not (`Excerpt.source`).
        standings = {c.id: held.judge(find_orders(c.text), allowed) for c in chunks}
        document_store.index_document(connection, document_id, terms, standings)


def _terms(title: str, labels: CourseLabels, heading: str | None, text: str) -> Counter[str]:
    """What a passage is found by: its words, its heading's, and what its document is called, if that says anything."""
    names = " ".join(drop_empty_names(name) for name in (title, labels.course, labels.specialty) if name)
    return index_terms(f"{names}\n{heading or ''}\n{text}")


def _flush(database: Database) -> None:
    database.transact(document_store.flush_index)
