"""Course files into the store: read → cut → stem → store, one transaction a file. How they are searched is not here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import sqlalchemy as sa

from worker.adapters import excerpts
from worker.adapters.db import Database
from worker.adapters.documents import SUFFIXES, extract_document
from worker.errors import UsageError
from worker.shapes.courses import CourseLabels, NewDocument
from worker.steps.chunk import chunk_document
from worker.steps.parse.values import find_level, read_level
from worker.steps.search import fold_specialty, index_terms

EMBEDDED_AT_ONCE = 16
EMBEDDING_TIMEOUT_S = 120.0  # a model of one's own may be slow; nobody waits for it

FileStatus = Literal["added", "replaced", "unchanged", "relabelled", "refused"]


class Embedder(Protocol):
    """Texts into vectors."""

    @property
    def model(self) -> str: ...

    def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """One vector for each text, in their order. Raises `ProviderUnavailable`."""


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one file. `reason` says why it was refused; pages and chunks are those stored by this call."""

    path: Path
    status: FileStatus
    reason: str | None = None
    pages: int = 0
    chunks: int = 0
    labels: CourseLabels = field(default_factory=CourseLabels)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files to read: those named, and in folders every one of a known kind, in order and once.

    Raises `UsageError` for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix.lower() in SUFFIXES)
            # "~$cours.docx" is Word's lock on an open file.
            found.update((p, None) for p in inside if not p.name.startswith((".", "~$")))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"{path}: no such file or folder. Give the path of course documents.")
    return list(found)


def ingest_files(database: Database, files: Iterable[Path], given: CourseLabels) -> Iterator[IngestedFile]:
    """Bring files into the store, one by one, and say what became of each. A file that cannot be read stops none.

    The same content again changes nothing but its labels; a changed file replaces its passages. What is `given`
    wins over what folders tell (`DCEM2/Cardiologie/…`).
    """
    database.transact(excerpts.add_trigrams)
    for path in files:
        try:
            yield _ingest_file(database, path, given)
        except UsageError as error:
            yield IngestedFile(path, "refused", reason=str(error))
        except OSError as error:
            yield IngestedFile(
                path, "refused", reason=f"it cannot be opened ({error.strerror or type(error).__name__})"
            )
    _flush(database)


def embed_chunks(database: Database, embedder: Embedder) -> Iterator[int]:
    """Give a vector to every passage that has none of this model; how many each round made.

    Raises `UsageError` when the server has no pgvector, `ProviderUnavailable` when the endpoint fails: what was
    done stays, and calling again goes on.
    """
    dimensions = len(embedder.embed(["dimensions"], timeout_s=EMBEDDING_TIMEOUT_S)[0])
    if not database.transact(lambda c: excerpts.add_vectors(c, embedder.model, dimensions)):
        raise UsageError(
            "This PostgreSQL has no pgvector extension, so MEDQ_EMBEDDING_MODEL is of no use: courses are searched by "
            "their words alone. Install pgvector, or unset the variable."
        )
    while waiting := database.transact(lambda c: excerpts.find_unembedded(c, embedder.model, most=EMBEDDED_AT_ONCE)):
        made = embedder.embed([text for _, text in waiting], timeout_s=EMBEDDING_TIMEOUT_S)
        vectors = {chunk_id: vector for (chunk_id, _), vector in zip(waiting, made, strict=True)}
        database.transact(lambda c, vectors=vectors: excerpts.store_vectors(c, embedder.model, vectors))  # type: ignore[misc]
        yield len(waiting)


def list_courses(database: Database) -> list[excerpts.StoredDocument]:
    """Every stored document."""
    return database.transact(excerpts.list_documents)


def remove_courses(database: Database, ids: Sequence[str]) -> int:
    """Remove documents with all their passages, all or none; how many there were."""
    return database.transact(lambda c: sum(excerpts.remove_document(c, document_id) for document_id in ids))


def read_labels(path: Path, given: CourseLabels) -> CourseLabels:
    """What is given, else what the folders tell: the level, below it the specialty, below that the course."""
    folders = [*path.resolve().parent.parts][-4:]
    at = max((i for i, name in enumerate(folders) if find_level(name)), default=None)
    below = folders[at + 1 :] if at is not None else []
    found = CourseLabels(
        level=find_level(folders[at]) if at is not None else find_level(path.stem),
        specialty=below[0] if below else None,
        course=below[1] if len(below) > 1 else None,
    )
    return CourseLabels(
        level=read_level(given.level) if given.level else found.level,
        specialty=given.specialty or found.specialty,
        course=given.course or found.course,
        source=given.source,
    )


def _ingest_file(database: Database, path: Path, given: CourseLabels) -> IngestedFile:
    data = path.read_bytes()
    labels = read_labels(path, given)
    content_hash = hashlib.sha256(data).hexdigest()
    title = " ".join(path.stem.replace("_", " ").split())
    name = "/".join(path.resolve().parts[-3:]).lstrip("/")
    key = fold_specialty(labels.specialty)

    def relabel(connection: sa.Connection) -> FileStatus | None:
        known = excerpts.find_same(connection, content_hash)
        if known is None:
            return None
        changed = excerpts.relabel_document(connection, known, title=title, file_name=name, labels=labels, key=key)
        return "relabelled" if changed else "unchanged"

    if status := database.transact(relabel):
        return IngestedFile(path, status, labels=labels)
    extracted = extract_document(path, data)
    chunks = chunk_document(extracted)
    context = " ".join(filter(None, [title, labels.course, labels.specialty]))
    document = NewDocument(
        title=title,
        file_name=name,
        content_hash=content_hash,
        labels=labels,
        specialty_key=key,
        page_count=extracted.page_count,
        chunks=chunks,
        chunk_terms=tuple(index_terms(f"{context}\n{chunk.heading or ''}\n{chunk.text}") for chunk in chunks),
    )
    _, replaced = database.transact(lambda c: excerpts.store_document(c, document))
    _flush(database)
    return replace(
        IngestedFile(path, "replaced" if replaced else "added", labels=labels),
        pages=extracted.page_count or 0,
        chunks=len(chunks),
    )


def _flush(database: Database) -> None:
    database.transact(excerpts.flush_index)
